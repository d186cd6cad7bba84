/// What the system says of the path to the internet, whichever system it is.
struct PathFacts: Sendable, Hashable {
    /// Whether data gets through, or would once something asks for it.
    var isUsable = true
    var usesWifi = false
    var usesCellular = false
    /// Whether the user pays by the byte, or the system thinks so.
    var isExpensive = false
    /// Low Data Mode.
    var isConstrained = false
    /// The radio that carries the data, as Core Telephony calls it. Without one it is not known.
    var radio: String?
}

extension Network {
    /// What the client is told of a path. One that uses several kinds of link, as a VPN does, counts as the
    /// best of them.
    init(_ path: PathFacts) {
        let kind: NetworkKind
        if !path.isUsable {
            kind = .none
        } else if path.usesWifi {
            kind = .wifi
        } else if path.usesCellular {
            kind = isSecondGeneration(path.radio) ? .cellular2G : .cellular
        } else {
            kind = .other
        }
        self.init(
            kind: kind, metered: path.isUsable && path.isExpensive,
            constrained: path.isUsable && path.isConstrained)
    }
}

/// Whether a radio is 2G: GPRS, EDGE and CDMA 1x, by the names that Core Telephony gives them. What is not
/// known is taken for a faster one: on a wrong guess answers that take long lower the mode.
func isSecondGeneration(_ radio: String?) -> Bool {
    switch radio {
    case "CTRadioAccessTechnologyGPRS", "CTRadioAccessTechnologyEdge", "CTRadioAccessTechnologyCDMA1x":
        true
    default: false
    }
}

/// The radio that carries the data: of the SIM that is chosen for data, else the only one there is.
func dataRadio(of radios: [String: String]?, chosen: String?) -> String? {
    guard let radios else { return nil }
    if let chosen, let radio = radios[chosen] { return radio }
    return radios.count == 1 ? radios.first?.value : nil
}
