#if canImport(Security)
import Foundation
import Security

/// Keeps a user's token in the keychain: on this device only, and readable once the device was unlocked after
/// its start, so that a refresh in the background finds it.
public struct KeychainTokenStore: TokenStore {
    /// What the keychain said.
    public struct Failure: Error, LocalizedError {
        /// Its code, as `errSecInteractionNotAllowed`.
        public let status: OSStatus

        /// The same in words.
        public var errorDescription: String? {
            let words = SecCopyErrorMessageString(status, nil) as String?
            return "the keychain: \(words ?? "error \(status)")"
        }
    }

    private let service: String
    private let account: String
    private let group: String?

    /// - Parameters:
    ///   - account: whose token: the user's id.
    ///   - service: under which name.
    ///   - group: the access group, if an extension of the app reads it too.
    public init(account: String, service: String = "dev.tidewire.token", group: String? = nil) {
        self.account = account
        self.service = service
        self.group = group
    }

    private var item: [String: Any] {
        var item: [String: Any] = [
            kSecClass as String: kSecClassGenericPassword,
            kSecAttrService as String: service,
            kSecAttrAccount as String: account,
        ]
        if let group { item[kSecAttrAccessGroup as String] = group }
        return item
    }

    /// The token, if there is one.
    ///
    /// - Throws: ``Failure``, as before the first unlock.
    public func load() throws -> String? {
        var query = item
        query[kSecReturnData as String] = true
        query[kSecMatchLimit as String] = kSecMatchLimitOne
        var found: CFTypeRef?
        let status = SecItemCopyMatching(query as CFDictionary, &found)
        switch status {
        case errSecSuccess: return (found as? Data).flatMap { String(data: $0, encoding: .utf8) }
        case errSecItemNotFound: return nil
        default: throw Failure(status: status)
        }
    }

    /// Keeps a token in the place of the one there is; `nil` forgets it.
    ///
    /// - Throws: ``Failure``.
    public func save(_ token: String?) throws {
        guard let token else {
            let status = SecItemDelete(item as CFDictionary)
            guard status == errSecSuccess || status == errSecItemNotFound else {
                throw Failure(status: status)
            }
            return
        }
        let value: [String: Any] = [
            kSecValueData as String: Data(token.utf8),
            kSecAttrAccessible as String: kSecAttrAccessibleAfterFirstUnlockThisDeviceOnly,
        ]
        var status = SecItemUpdate(item as CFDictionary, value as CFDictionary)
        if status == errSecItemNotFound {
            let new = item.merging(value) { _, new in new }
            status = SecItemAdd(new as CFDictionary, nil)
        }
        guard status == errSecSuccess else { throw Failure(status: status) }
    }
}
#endif
