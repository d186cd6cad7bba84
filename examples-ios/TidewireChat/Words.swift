import SwiftUI
import Tidewire

// What the SDK's values are called for people. All of it is in the catalogue.

extension Mode {
    var words: LocalizedStringKey {
        switch self {
        case .offline: "Offline"
        case .polling: "Polling"
        case .hybrid: "Hybrid"
        case .realTime: "Real-time"
        }
    }

    var symbol: String {
        switch self {
        case .offline: "wifi.slash"
        case .polling: "arrow.clockwise"
        case .hybrid: "bolt.badge.clock"
        case .realTime: "bolt.fill"
        }
    }
}

extension ModeReason {
    var words: LocalizedStringKey {
        switch self {
        case .unbound, .eventStream: "Nothing slows it down"
        case .starting: "Just starting"
        case .audience(let online): "\(Int(online)) people are online"
        case .policy: "The server is busy"
        case .network(.none): "No network"
        case .network(.cellular2G): "The network is 2G"
        case .network: "The network is slow"
        case .dataSaver: "Data is being saved"
        case .app: "The app is in the background"
        case .socketsFail: "This network blocks connections"
        case .latency(let ms): "Answers take \(Int(ms)) ms"
        case .breaks: "The connection keeps breaking"
        case .lowPower: "Power is being saved"
        case .ceiling: "The app asked for it"
        case .budget: "The budget is used up"
        }
    }
}

extension MessageState {
    var words: LocalizedStringKey {
        switch self {
        case .sending: "Sending"
        case .waiting: "Waits for the message before it"
        case .failed: "Not sent"
        case .sent: "Sent"
        case .delivered: "Delivered"
        case .read: "Read"
        }
    }

    var symbol: String {
        switch self {
        case .sending: "clock"
        case .waiting: "hourglass"
        case .failed: "exclamationmark.circle.fill"
        case .sent: "checkmark"
        case .delivered: "checkmark.circle"
        case .read: "checkmark.circle.fill"
        }
    }
}

extension Message {
    var date: Date { Date(timeIntervalSince1970: Double(atMs) / 1_000) }
}
