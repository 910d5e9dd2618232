/// The version of this project, as `--version`, the User-Agent and the started event tell it.
package let productVersion = "0.1.0"
