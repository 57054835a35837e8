/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* WireServer and the host's guest-agent plugin. */
#include <string.h>

#include "tree.h"

#define XML_TYPE "text/xml; charset=utf-8"
#define XML_HEAD "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n"

static const char versions_text[] =
    XML_HEAD "<Versions><Preferred><Version>2015-04-05</Version></Preferred>"
             "<Supported><Version>2015-04-05</Version>"
             "<Version>2012-11-30</Version><Version>2012-09-15</Version>"
             "</Supported></Versions>\n";

static const char goalstate_text[] = XML_HEAD
    "<GoalState xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\">"
    "<Version>2012-11-30</Version><Incarnation>1</Incarnation><Machine>"
    "<ExpectedState>Started</ExpectedState>"
    "<StopRolesDeadlineHint>300000</StopRolesDeadlineHint><LBProbePorts>"
    "<Port>16001</Port></LBProbePorts>"
    "<ExpectHealthReport>FALSE</ExpectHealthReport></Machine><Container>"
    "<ContainerId>a511aa6d-29e7-4f53-8788-55655dfe848f</ContainerId>"
    "<RoleInstanceList><RoleInstance>"
    "<InstanceId>f6cd1d7ef1644557b9059345e5ba890c._mspd-sim</InstanceId>"
    "<State>Started</State><Configuration><HostingEnvironmentConfig>"
    "http://168.63.129.16:80/machine/a511aa6d?comp=config"
    "</HostingEnvironmentConfig><Certificates>"
    "http://168.63.129.16:80/machine?comp=certificates"
    "</Certificates></Configuration></RoleInstance></RoleInstanceList>"
    "</Container></GoalState>\n";

static const char certificates_text[] =
    XML_HEAD "<CertificateFile><Version>2012-11-30</Version>"
             "<Incarnation>1</Incarnation><Format>Pkcs7BlobWithPfxContents"
             "</Format><Data>MIINswYJKoZIhvcNAQcDoIINpDCCDaACAQIxggEwMIIBLAIB"
             "AoAUvyL+x6GkZXog</Data></CertificateFile>\n";

static const char error_text[] =
    XML_HEAD "<Error><Code>BadRequest</Code><Message>The request is "
             "invalid.</Message></Error>\n";

static const char missing_text[] =
    XML_HEAD "<Error><Code>ResourceNotAvailable</Code><Message>The resource "
             "requested is no longer available.</Message></Error>\n";

static int answer_machine(const struct sim_request *req, struct sim_answer *ret)
{
    struct sim_text comp = {.ptr = "", .len = 0};
    bool is_post = msp_sim_is(req->method, "POST");

    (void)msp_sim_query(req, "comp", &comp);
    if (is_post &&
        (msp_sim_is(comp, "health") || msp_sim_is(comp, "telemetrydata")))
        return msp_sim_answer_text(ret, 200, XML_TYPE, "");
    if (!msp_sim_find(req, "x-ms-version"))
        return msp_sim_answer_text(ret, 400, XML_TYPE, error_text);
    if (msp_sim_is(comp, "goalstate"))
        return msp_sim_answer_text(ret, 200, XML_TYPE, goalstate_text);
    if (msp_sim_is(comp, "certificates"))
        return msp_sim_answer_text(ret, 200, XML_TYPE, certificates_text);
    return msp_sim_answer_text(ret, 410, XML_TYPE, missing_text);
}

int msp_sim_wire(const struct sim_request *req, struct sim_answer *ret)
{
    struct sim_text comp = {.ptr = "", .len = 0};

    (void)msp_sim_query(req, "comp", &comp);
    if (req->path.len == 1 && msp_sim_is(comp, "versions"))
        return msp_sim_answer_text(ret, 200, XML_TYPE, versions_text);
    if (msp_sim_is(req->path, "/machine") || msp_sim_is(req->path, "/machine/"))
        return answer_machine(req, ret);
    return msp_sim_answer_text(ret, 404, XML_TYPE, missing_text);
}

int msp_sim_hostga(const struct sim_request *req, struct sim_answer *ret)
{
    if (msp_sim_is(req->path, "/versions"))
        return msp_sim_answer_text(ret, 200, "application/json",
                                   "[\"2015-09-01\"]");
    if (msp_sim_is(req->path, "/status"))
        return msp_sim_answer_text(ret, 200, "application/json", "{}");
    if (msp_sim_is(req->path, "/vmAgentLog") && msp_sim_is(req->method, "PUT"))
        return msp_sim_answer_text(ret, 200, "text/plain", "");
    if (msp_sim_is(req->path, "/extensionArtifact")) {
        if (!msp_sim_find(req, "x-ms-artifact-location"))
            return msp_sim_answer_text(ret, 400, "text/plain",
                                       "x-ms-artifact-location is missing\n");
        return msp_sim_answer_text(ret, 200, "application/octet-stream",
                                   "artifact\n");
    }
    return msp_sim_answer_text(ret, 404, "text/plain", "not found\n");
}
