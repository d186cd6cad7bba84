pluginManagement {
    repositories {
        google()
        mavenCentral()
        gradlePluginPortal()
    }
}

dependencyResolutionManagement {
    repositories {
        google()
        mavenCentral()
        // What `cargo xtask aar` has made.
        maven { url = uri("../target/aar") }
    }
}

rootProject.name = "tidewire-example"
