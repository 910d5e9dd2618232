import HTTP

/// Name and version of the library that sends the log, for `--version` of programs that use it for nothing else.
package var shippingLibrary: (name: String, version: String) { httpLibrary }
