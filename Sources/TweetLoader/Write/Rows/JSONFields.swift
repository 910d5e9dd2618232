import Core
import Postgres
import TweetFormat

/// Fields of a COPY row straight from simdjson's tape; nil becomes NULL.
extension CopyBuffer {
    mutating func append(int8 value: Int64?) {
        if let value { append(int8: value) } else { appendNull() }
    }

    /// NULL also for what a 32-bit integer does not hold.
    mutating func append(int4 value: Int64?) {
        if let value = value.flatMap(Int32.init(exactly:)) { append(int4: value) } else { appendNull() }
    }

    mutating func append(float8 value: Double?) {
        if let value { append(float8: value) } else { appendNull() }
    }

    mutating func append(bool value: Bool?) {
        if let value { append(bool: value) } else { appendNull() }
    }

    mutating func append(timestamptz value: Timestamp?) {
        if let value { append(timestamptz: value) } else { appendNull() }
    }

    mutating func append(text value: JSONString?) {
        if let value { unsafe append(text: value.bytes) } else { appendNull() }
    }

    /// A `bigint[]` of an array of ids; NULL for anything but an array, a null element for what is no id.
    mutating func append(ids values: JSONNode?) {
        guard let values, values.isArray else { return appendNull() }
        var array = beginArray(of: .int8)
        for value in values.elements { appendElement(int8: value.id, to: &array) }
        endArray(array)
    }

    /// A `text[]` of an array of strings; NULL for anything but an array, a null element for what is no string.
    mutating func append(texts values: JSONNode?) {
        guard let values, values.isArray else { return appendNull() }
        var array = beginArray(of: .text)
        for value in values.elements { appendElement(text: value.string, to: &array) }
        endArray(array)
    }

    /// A `bigint[]` of one member of all objects in an array.
    mutating func append(ids member: StaticString, of objects: JSONNode?) {
        guard let objects, objects.isArray else { return appendNull() }
        var array = beginArray(of: .int8)
        for object in objects.elements { appendElement(int8: object[member]?.id, to: &array) }
        endArray(array)
    }

    /// A `bigint[]` of one member of a member of all objects in an array.
    mutating func append(ids member: StaticString, in outer: StaticString, of objects: JSONNode?) {
        guard let objects, objects.isArray else { return appendNull() }
        var array = beginArray(of: .int8)
        for object in objects.elements { appendElement(int8: object[outer]?[member]?.id, to: &array) }
        endArray(array)
    }

    /// A `bigint[]` of one member of all objects in an array, any integers.
    mutating func append(integers member: StaticString, of objects: JSONNode?) {
        guard let objects, objects.isArray else { return appendNull() }
        var array = beginArray(of: .int8)
        for object in objects.elements { appendElement(int8: object[member]?.integer, to: &array) }
        endArray(array)
    }

    /// A `text[]` of one member of all objects in an array.
    mutating func append(texts member: StaticString, of objects: JSONNode?) {
        guard let objects, objects.isArray else { return appendNull() }
        var array = beginArray(of: .text)
        for object in objects.elements { appendElement(text: object[member]?.string, to: &array) }
        endArray(array)
    }

    mutating func appendElement(int8 value: Int64?, to array: inout OpenArray) {
        if let value { appendElement(int8: value, to: &array) } else { appendNullElement(to: &array) }
    }

    mutating func appendElement(text value: JSONString?, to array: inout OpenArray) {
        if let value { unsafe appendElement(text: value.bytes, to: &array) } else { appendNullElement(to: &array) }
    }
}
