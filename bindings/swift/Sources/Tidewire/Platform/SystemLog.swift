#if canImport(os)
import Foundation
import TidewireFFI
import os

/// Hands the SDK's logs to the system's log, where Console and `log stream` show them. It ends with its last
/// reference: keep it beside the client.
public final class SystemLog: Sendable {
    private let work: Task<Void, Never>

    /// Begins.
    ///
    /// - Parameters:
    ///   - level: lines that matter less are left out.
    ///   - subsystem: under which name, as a rule the app's identifier.
    public init(_ level: LogLevel = .info, subsystem: String = "dev.tidewire") {
        work = Task {
            let logger = Logger(subsystem: subsystem, category: "tidewire")
            // It ends with this object; that somebody else takes the logs of this process is said once.
            do {
                for try await batch in Logs(level) {
                    if batch.missed > 0 { logger.warning("\(batch.missed) lines were dropped") }
                    for line in batch.lines {
                        // No text of a message and no token is in it: so it may be read.
                        logger.log(level: line.level.type, "\(line.target, privacy: .public) \(line.text, privacy: .public)")
                    }
                }
            } catch {
                logger.error("no logs: \(error.localizedDescription, privacy: .public)")
            }
        }
    }

    deinit {
        work.cancel()
    }
}

extension LogLevel {
    var type: OSLogType {
        switch self {
        case .error: .fault
        case .warn: .error
        case .info: .default
        case .debug: .info
        case .trace: .debug
        }
    }
}
#endif
