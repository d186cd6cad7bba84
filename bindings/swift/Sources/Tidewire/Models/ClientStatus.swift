/// How a client does: the mode with its reason, how fast the server answers, what is unread, and what
/// needs the user. For a status bar, a badge, and a notice on a change of mode.
///
/// It goes on for as long as the app does: begin it where the client is opened. Waits for neither network
/// nor disk.
@MainActor
public final class ClientStatus: ScreenModel {
    /// How often it looks at what tells of no change by itself, in ns: from memory.
    private static let lookEvery: UInt64 = 5_000_000_000

    private var watch = ModeWatch()

    /// The mode.
    @Observed public private(set) var mode: Mode = .offline
    /// The signal that bound it.
    @Observed public private(set) var reason: ModeReason = .starting
    /// The same in words, in English.
    @Observed public private(set) var reasonText: String = ""
    /// The last change of the mode that is worth telling, until ``dismissNotice()``. Going to the
    /// background and coming back is none.
    @Observed public private(set) var notice: ModeNotice?
    /// What three of four answers of the server took at most, in ms; `nil` while there were too few
    /// lately.
    @Observed public private(set) var latencyMs: UInt32?
    /// What is unread of all rooms together; `nil` until it is known.
    @Observed public private(set) var unread: Unread?
    /// Why the user has to sign in again; `nil` if not, and once there is a token that
    /// the server takes.
    @Observed public private(set) var signInNeeded: String?
    /// What is wrong with the store, so that nothing new is read; `nil` if nothing is.
    @Observed public private(set) var storeTrouble: String?
    /// What was found damaged on disk and is mended, until ``dismissRepair()``.
    @Observed public private(set) var repair: Repair?

    /// - Parameter client: whose status.
    public override init(_ client: TidewireClient) {
        super.init(client)
        // It is shown from now on: a change before the first report comes is one, too.
        take(client.mode)
    }

    /// The notice was seen.
    public func dismissNotice() {
        notice = nil
    }

    /// The user knows what was mended.
    public func dismissRepair() {
        repair = nil
    }

    override func begin(_ loops: Loops) {
        let (client, events) = (client, client.events)
        follow(loops) { [weak self] in
            for try await report in client.modes { self?.take(report) }
        }
        follow(loops) { [weak self] in
            for try await batch in events { for event in batch.events { self?.take(event) } }
        }
        follow(loops) { [weak self] in
            for try await total in client.unreadTotal { self?.unread = total }
        }
        follow(loops) { [weak self] in
            // What was mended while the store was opened was told before anybody listened. A suspended
            // client does not look; then the event tells it.
            if let repair = try? await client.cacheReport().repair { self?.repair = repair }
        }
        follow(loops) { [weak self] in
            while true {
                let why = try await client.why()
                self?.take(why)
                try await Task.sleep(nanoseconds: Self.lookEvery)
            }
        }
    }

    private func take(_ why: Why) {
        latencyMs = why.latencyMs
        switch why.token {
        case nil: signInNeeded = nil
        // It was told before anybody listened.
        case .failed?: signInNeeded = signInNeeded ?? why.sentence
        case .missing?, .asked?: break
        }
    }

    private func take(_ report: ModeReport) {
        if let notice = watch.take(report) { self.notice = notice }
        show(report)
    }

    private func show(_ report: ModeReport) {
        mode = report.mode
        reason = report.reason
        reasonText = report.reasonText
    }

    private func take(_ event: ClientEvent) {
        switch event {
        case .authRequired(let reason): signInNeeded = reason
        case .wrongUser(let user): signInNeeded = "the token is of \(user)"
        case .storeFailed(let reason): storeTrouble = reason
        case .storeRecovered: storeTrouble = nil
        case .repaired(let repair): self.repair = repair
        case .roomsChanged, .unreadTotalChanged, .profilesChanged, .blockedChanged, .presenceChanged,
            .typingChanged, .sendFailed:
            break
        }
    }
}

extension Why {
    /// How far the way to a token is, if there is none that may be used.
    var token: TokenStage? {
        for case .token(let stage, _) in facts { return stage }
        return nil
    }

    /// What three of four of the server's last answers took at most, in ms, if there were enough.
    public var latencyMs: UInt32? {
        for case .ceiling(.latency(let ms), _, _, _, _) in facts { return ms }
        return nil
    }
}
