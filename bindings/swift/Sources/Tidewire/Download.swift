import Foundation
import TidewireFFI

/// A file on its way to this device. Several of one file share one download.
///
/// The file is wanted until all of them are cancelled or gone, and what ``file()`` gave is released or
/// gone: then the download ends. What came stays for some days, and the next one goes on from there.
public final class Download: Sendable {
    let source: TidewireFFI.Download
    let reader: BatchReader<TidewireFFI.Download>

    init(_ source: TidewireFFI.Download, gate: Gate) {
        self.source = source
        reader = BatchReader(source, gate: gate)
    }

    deinit {
        source.cancel()
    }

    /// How far the file is: at first as it is, then each newer step, without those that were passed
    /// meanwhile. It has one reader at a time.
    ///
    /// The loop ends with the download, well or not, and when the task or the download is cancelled or
    /// the client closed. It throws `Closed` if it is begun after that, `AlreadyWaiting` if another task
    /// reads it, and `Internal`. Waits for neither network nor disk.
    public var progress: DownloadSteps { DownloadSteps(download: self) }

    /// The file, once it is whole and its SHA-256 is checked. At once if it is on this device already,
    /// without a network too. Else waits for the network, for as long as it takes: without one, with a bad
    /// one and without a valid token the client goes on by itself later, from where it was. A task that is
    /// cancelled does not end the download.
    ///
    /// - Throws: `Refused` with the server's word, `unknown_file` as a rule: the file is gone, or not the
    ///   user's to see; `FileDamaged`, `FileTooLarge`; `Suspended` if the app was suspended when it was
    ///   begun; `Closed`, `Internal`, those of the store, `CancellationError`.
    public func file() async throws -> LocalFile {
        if reader.isClosed { throw TidewireError.Closed }
        return LocalFile(try await cancellable { try await source.file(cancel: $0) })
    }

    /// Wants the file no more. Returns at once; may be called twice.
    public func cancel() {
        reader.close()
        source.cancel()
    }
}

/// How far a file is, as it changes. See ``Download/progress``.
public struct DownloadSteps: AsyncSequence, Sendable {
    /// A step.
    public typealias Element = DownloadProgress

    let download: Download

    /// Begins an iteration.
    public func makeAsyncIterator() -> Iterator { Iterator(download: download) }

    /// One iteration.
    public struct Iterator: AsyncIteratorProtocol, Sendable {
        let download: Download
        private var hasBegun = false

        init(download: Download) {
            self.download = download
        }

        /// The next step: at first how far it is.
        public mutating func next() async throws -> DownloadProgress? {
            if !hasBegun {
                if download.reader.isClosed { throw TidewireError.Closed }
                hasBegun = true
            }
            return try await download.reader.next { $0 }
        }
    }
}

/// A file on this device, whole and as its message names it.
///
/// It stays where it is until this is released or gone, or the client is closed; afterwards it goes when
/// room is needed. Nobody may write to it.
public final class LocalFile: Sendable {
    /// Where it is: in the account's private folder, under the file's key. Its name and type are in the
    /// ``Attachment``. Also after ``release()``.
    public let url: URL
    /// How many bytes it has.
    public let size: UInt64
    private let file: TidewireFFI.LocalFile

    init(_ file: TidewireFFI.LocalFile) {
        self.file = file
        url = URL(fileURLWithPath: file.path())
        size = file.size()
    }

    deinit {
        file.release()
    }

    /// It may go from now on. Returns at once; may be called twice.
    public func release() {
        file.release()
    }
}
