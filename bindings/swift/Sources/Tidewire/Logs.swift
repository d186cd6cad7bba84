import TidewireFFI

/// How much a line of the log matters: `.error`, `.warn`, `.info`, `.debug` or `.trace`.
public typealias LogLevel = TidewireFFI.LogLevel
/// A line of the log.
public typealias LogLine = TidewireFFI.LogLine
/// Lines in their order, and how many were dropped before them because the reader was too slow.
public typealias LogBatch = TidewireFFI.LogBatch
/// A file for the logs.
public typealias LogFile = TidewireFFI.LogFile

/// The logs of all clients of this process, in batches: for the system's log (`SystemLog` does it on Apple
/// platforms) or a log of the app's own. No text of a message, no token and no file name is in them.
///
/// Each iteration has those from its beginning on. Of one that is more than 1,000 lines behind the oldest are
/// dropped. The loop ends when the task is cancelled. It throws `Internal` if something else in this process
/// takes the logs of Rust code.
public struct Logs: AsyncSequence, Sendable {
    /// Lines.
    public typealias Element = LogBatch

    private let level: LogLevel

    /// - Parameter level: lines that matter less are left out.
    public init(_ level: LogLevel) {
        self.level = level
    }

    /// Begins an iteration.
    public func makeAsyncIterator() -> Iterator {
        Iterator(reader: Result { BatchReader(try subscribeLogs(level: level), gate: Gate()) })
    }

    /// Has the logs written into a file, from now on, beside whoever iterates; an earlier file is given up.
    /// What can not be written later is lost, and the next line that can be says how many. Waits for the
    /// disk.
    ///
    /// - Throws: `FolderUnusable` if the file can not be opened, `InvalidSetting`, `Internal`.
    public static func write(into file: LogFile) throws {
        try logToFile(file: file)
    }

    /// Ends ``write(into:)``. Returns at once; may be called twice.
    ///
    /// - Throws: `Internal`.
    public static func stopWriting() throws {
        try stopLogFile()
    }

    /// One iteration.
    public struct Iterator: AsyncIteratorProtocol, Sendable {
        let reader: Result<BatchReader<LogSubscription>, any Error>

        /// The next lines, once there are some.
        public mutating func next() async throws -> LogBatch? {
            try await reader.get().next { $0 }
        }
    }
}

extension LogBatch: NumberedBatch {}
extension LogSubscription: BatchSource {}
