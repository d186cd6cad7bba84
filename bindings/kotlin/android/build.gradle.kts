// The AAR by Gradle, over the same sources that Maven compiles. `cargo xtask aar` makes the same one without
// Gradle; it also builds what this needs: the generated code and the libraries of all processors.

plugins {
    id("com.android.library") version "8.13.0"
    id("org.jetbrains.kotlin.android") version "2.4.21"
    `maven-publish`
}

group = "dev.tidewire"
version = "0.1.0"

android {
    namespace = "dev.tidewire.android"
    compileSdk = 36

    defaultConfig {
        // Android 8.0: below it `java.nio.file` is missing.
        minSdk = 26
        consumerProguardFiles("consumer-rules.pro")
    }

    compileOptions {
        sourceCompatibility = JavaVersion.VERSION_11
        targetCompatibility = JavaVersion.VERSION_11
    }

    sourceSets.named("main") {
        kotlin.srcDirs("src/main/kotlin", "../src/main/kotlin", "../generated/kotlin")
        jniLibs.srcDir("../../../target/aar-libraries")
    }

    packaging {
        // They are stripped already, and the NDK that would do it may be another one.
        jniLibs.keepDebugSymbols += "**/*.so"
    }

    publishing {
        singleVariant("release") { withSourcesJar() }
    }
}

kotlin {
    compilerOptions {
        jvmTarget = org.jetbrains.kotlin.gradle.dsl.JvmTarget.JVM_11
    }
}

dependencies {
    api("org.jetbrains.kotlinx:kotlinx-coroutines-core:1.11.0")
    implementation("net.java.dev.jna:jna:5.19.1@aar")
}

publishing {
    publications {
        register<MavenPublication>("release") {
            artifactId = "tidewire-android"
            afterEvaluate { from(components["release"]) }
        }
    }
}
