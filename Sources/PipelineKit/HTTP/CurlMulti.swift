import CCurl
import Core
import Synchronization

/// A libcurl multi handle that runs one transfer at a time, so that another thread can wake it.
@safe
package struct CurlMulti: ~Copyable {
    /// Wakes `poll` from any thread.
    package let waker: CurlWaker

    private let handle: UnsafeMutableRawPointer

    /// - Throws: `CurlError` when libcurl has no memory.
    package init() throws(CurlError) {
        guard CurlLibrary.isReady, let created = unsafe curl_multi_init() else { throw CurlError(CURLE_FAILED_INIT) }
        unsafe handle = created
        waker = unsafe CurlWaker(created)
    }

    deinit {
        waker.forget()
        unsafe curl_multi_cleanup(handle)
    }

    /// Starts a transfer; call `remove` before it is destroyed.
    package func add(_ transfer: borrowing CurlTransfer) throws(CurlError) {
        try check(unsafe transfer.withHandle { unsafe curl_multi_add_handle(handle, $0) })
    }

    /// Ends a transfer at whatever point it is, and closes its connection.
    package func remove(_ transfer: borrowing CurlTransfer) {
        _ = unsafe transfer.withHandle { unsafe curl_multi_remove_handle(handle, $0) }
    }

    /// Does what can be done without waiting; callbacks run in here.
    package func perform() throws(CurlError) {
        var running: Int32 = 0
        try check(unsafe curl_multi_perform(handle, &running))
    }

    /// The code with which the transfer has ended, once.
    package func takeResult() -> CURLcode? {
        var left: Int32 = 0
        guard let message = unsafe curl_multi_info_read(handle, &left), unsafe message.pointee.msg == CURLMSG_DONE
        else { return nil }
        return unsafe message.pointee.data.result
    }

    /// Waits until something can be done, the time or half a second is over, or the waker is called; a sign of life
    /// (`Heartbeat`).
    package func poll(timeout: Duration) throws(CurlError) {
        Heartbeat.beat()
        // Rounded up, so that a fraction of a millisecond does not become a busy loop.
        let milliseconds = max(0, min(timeout.milliseconds + 1, 500))
        try check(unsafe curl_multi_poll(handle, nil, 0, Int32(milliseconds), nil))
    }

    /// Runs a transfer to its end, or until the stop is raised.
    ///
    /// - Throws: `CurlError` when it fails or was aborted. A body that was cut at its limit is not a failure.
    package func run(_ transfer: borrowing CurlTransfer, until stop: Stop) throws(CurlError) {
        try add(transfer)
        defer { remove(transfer) }
        while !stop.isRaised {
            try perform()
            if let code = takeResult() {
                if code != CURLE_OK && !transfer.answer.isBodyCut { throw transfer.error(code) }
                return
            }
            try poll(timeout: .milliseconds(200))
        }
        throw CurlError(CURLE_ABORTED_BY_CALLBACK, "aborted because the service ends")
    }

    private func check(_ code: CURLMcode) throws(CurlError) {
        if code != CURLM_OK { throw CurlError(multi: code) }
    }
}

/// Lets any thread end a wait of a `CurlMulti`, also after its deallocation.
package final class CurlWaker: Sendable {
    /// The handle's address, used under the mutex only; libcurl allows curl_multi_wakeup from any thread.
    private let address: Mutex<UInt?>

    fileprivate init(_ handle: UnsafeMutableRawPointer) {
        address = Mutex(UInt(bitPattern: handle))
    }

    /// Makes the present or the next `poll` return at once.
    package func wake() {
        address.withLock { address in
            if let handle = unsafe address.flatMap(UnsafeMutableRawPointer.init(bitPattern:)) {
                unsafe curl_multi_wakeup(handle)
            }
        }
    }

    fileprivate func forget() {
        address.withLock { $0 = nil }
    }
}
