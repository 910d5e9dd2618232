import Testing

@testable import TweetProducer

/// The part of XML-RPC that supervisord uses.
@Suite(.timeLimit(.minutes(5))) struct XMLRPCTests {
    private func value(_ xml: String) throws -> XMLRPCValue {
        try XMLRPC.value(
            of: Array(
                "<?xml version='1.0'?>\n<methodResponse>\n<params>\n<param>\n\(xml)\n</param>\n</params>\n</methodResponse>\n"
                    .utf8))
    }

    @Test func aCallIsEscaped() {
        #expect(
            String(decoding: XMLRPC.call("supervisor.stop", [.text("a<&>"), .flag(true), .number(-3)]), as: UTF8.self)
                == "<?xml version=\"1.0\"?><methodCall><methodName>supervisor.stop</methodName><params>"
                + "<param><value><string>a&lt;&amp;&gt;</string></value></param><param><value><boolean>1</boolean></value>"
                + "</param><param><value><int>-3</int></value></param></params></methodCall>")
    }

    /// As Python's xmlrpc.client writes answers, with line feeds between tags.
    @Test func valuesOfEveryKindAreRead() throws {
        let xml = """
            <value><struct>
            <member>
            <name>name</name>
            <value><string>a &lt;b&gt; &amp;amp;</string></value>
            </member>
            <member>
            <name>list</name>
            <value><array><data>
            <value><int>-7</int></value>
            <value><boolean>1</boolean></value>
            <value>bare</value>
            <value><string></string></value>
            <value><array><data>
            </data></array></value>
            </data></array></value>
            </member>
            </struct></value>
            """
        let value = try value(xml)
        #expect(value["name"] == .text("a <b> &amp;"))
        #expect(value["list"]?.elements == [.number(-7), .flag(true), .text("bare"), .text(""), .list([])])
    }

    @Test func aFaultIsThrown() {
        let body = """
            <?xml version='1.0'?>
            <methodResponse>
            <fault>
            <value><struct>
            <member>
            <name>faultCode</name>
            <value><int>92</int></value>
            </member>
            <member>
            <name>faultString</name>
            <value><string>CANT_REREAD: no section header, file: 'x.conf', line: 1</string></value>
            </member>
            </struct></value>
            </fault>
            </methodResponse>
            """
        let fault = #expect(throws: XMLRPC.Fault.self) { try XMLRPC.value(of: Array(body.utf8)) }
        #expect(fault == XMLRPC.Fault(code: 92, text: "CANT_REREAD: no section header, file: 'x.conf', line: 1"))
    }

    @Test(arguments: ["", "<html>", "<params><param><value><int>x</int></value>", "<params><value><struct><member>"])
    func whatIsNoAnswerIsMalformed(body: String) {
        #expect(throws: XMLRPC.Malformed.self) { try XMLRPC.value(of: Array(body.utf8)) }
    }
}
