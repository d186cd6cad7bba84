import Observation

/// A property of a model: views that read it hear of its change, whichever way they listen.
///
/// `@Observable` would do this, but only from iOS 17 on. Here Observation finds who reads the value, where
/// the system has it; and before it changes, the model's `objectWillChange` tells those views that know
/// `ObservableObject` only. A value that is the same again tells nobody.
@MainActor
@propertyWrapper
public final class Observed<Value: Equatable> {
    private var stored: Value
    /// An `ObservationRegistrar`, where the system has one.
    private let registrar: (any Sendable)?

    /// A property begins with this value.
    public init(wrappedValue: Value) {
        stored = wrappedValue
        if #available(macOS 14, iOS 17, tvOS 17, watchOS 10, *) {
            registrar = ObservationRegistrar()
        } else {
            registrar = nil
        }
    }

    @available(*, unavailable, message: "only properties of a model are observed")
    public var wrappedValue: Value {
        get { fatalError("the subscript below stands for this") }
        set { fatalError("the subscript below stands for this, not \(newValue)") }
    }

    /// The value, as the model's property gives and takes it.
    public static subscript<Model: ScreenModel>(
        _enclosingInstance model: Model,
        wrapped wrapped: ReferenceWritableKeyPath<Model, Value>,
        storage storage: ReferenceWritableKeyPath<Model, Observed<Value>>
    ) -> Value {
        get { model[keyPath: storage].value }
        set { model[keyPath: storage].set(newValue) { model.isAboutToChange() } }
    }

    private var value: Value {
        if #available(macOS 14, iOS 17, tvOS 17, watchOS 10, *) {
            observers?.access(self, keyPath: \.value)
        }
        return stored
    }

    private func set(_ value: Value, before tell: () -> Void) {
        guard value != stored else { return }
        tell()
        if #available(macOS 14, iOS 17, tvOS 17, watchOS 10, *), let observers {
            observers.withMutation(of: self, keyPath: \.value) { stored = value }
        } else {
            stored = value
        }
    }

    @available(macOS 14, iOS 17, tvOS 17, watchOS 10, *)
    private var observers: ObservationRegistrar? { registrar as? ObservationRegistrar }
}

@available(macOS 14, iOS 17, tvOS 17, watchOS 10, *)
extension Observed: Observable {}
