import Foundation
import TidewireFFI

/// What a call can fail with: an enum with fields, to be matched (`catch TidewireError.Offline`)
/// without reading text. `localizedDescription` says what went wrong and what to do about it, and
/// `isTemporary()` whether the same call can succeed later. Trouble with the network never fails a
/// send: it waits.
public typealias TidewireError = TidewireFFI.TidewireError

/// What a token provider may throw to say why there is no token. Any other error does as well.
public typealias TokenProviderError = TidewireFFI.TokenProviderError

// The generated `errorDescription` is `String(reflecting: self)`, which asks for `description`. So
// `localizedDescription`, `"\(error)"` and the debugger all say the same words.

extension TidewireError: CustomStringConvertible {
    /// What went wrong and what to do about it, for people.
    public var description: String { text() }
}

extension TokenProviderError: CustomStringConvertible {
    /// Why there is no token, for people.
    public var description: String {
        switch self {
        case .Unavailable(let reason): reason
        }
    }
}

/// An error of the app in words for people. `localizedDescription` alone would not do: of a plain
/// Swift enum it says "The operation could not be completed" and a number.
func words(for error: any Error) -> String {
    if let words = (error as? any LocalizedError)?.errorDescription { return words }
    if error is any CustomNSError || type(of: error) is NSError.Type {
        return error.localizedDescription
    }
    return String(describing: error)
}
