extension Settings {
    /// The same, but for whether the app is in the background when it opens the client.
    func launched(inBackground: Bool) -> Settings {
        Settings(
            url: url, user: user, dataDir: dataDir, acceptLoss: acceptLoss, inBackground: inBackground,
            maxConcurrentRooms: maxConcurrentRooms, messageBufferTimeMs: messageBufferTimeMs,
            presenceHeartbeatIntervalMs: presenceHeartbeatIntervalMs,
            backgroundHeartbeatIntervalMs: backgroundHeartbeatIntervalMs,
            pollingIntervalMs: pollingIntervalMs, slowPollingIntervalMs: slowPollingIntervalMs,
            maxMessagesPerRoom: maxMessagesPerRoom, cacheTtlMs: cacheTtlMs, cacheBytes: cacheBytes,
            fileCacheBytes: fileCacheBytes, memoryBytes: memoryBytes, spreadMs: spreadMs,
            outboxCapacity: outboxCapacity, budget: budget, rootCertificates: rootCertificates,
            recordInto: recordInto, recordVerbatim: recordVerbatim)
    }
}
