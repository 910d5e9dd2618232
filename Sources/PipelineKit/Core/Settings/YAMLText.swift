import Yams

extension Node {
    /// Whether the node is YAML's null: a plain `~`, `null`, `Null` or `NULL`, or nothing at all (YAML 1.2, section 10.3.2).
    package var isNull: Bool {
        guard let scalar, scalar.style == .plain || scalar.style == .any else { return false }
        guard ["", "tag:yaml.org,2002:null"].contains(scalar.tag.description) else { return false }
        return ["", "~", "null", "Null", "NULL"].contains(scalar.string)
    }
}
