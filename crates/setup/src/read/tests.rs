//! Layers, names and mistakes, as a person writes them.

use super::*;

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn load(file: &str, environment: &[(&str, &str)], overrides: &[(&str, &str)]) -> Result<Settings, Vec<String>> {
    let sources = Sources {
        file: Some(("conf/afterimage.toml".into(), file.to_owned())),
        environment: pairs(environment).into_iter().collect(),
        overrides: pairs(overrides),
        read_secret: &|path| match path.to_str() {
            Some("/run/secret" | "conf/secret") => Ok("from-a-file-0123456789\r\n".to_owned()),
            Some("/run/keys") => Ok("# rotated\nnew 0123456789abcdef\nold imgix-md5 FOO123bar\n".to_owned()),
            Some("/run/empty") => Ok("\n".to_owned()),
            _ => Err(io::ErrorKind::NotFound.into()),
        },
    };
    Settings::load(&sources).map_err(|mistakes| mistakes.iter().map(ToString::to_string).collect())
}

#[test]
fn every_default_reads_and_its_text_is_the_one_form() {
    let defaults = Settings::load(&Sources::default()).unwrap();
    for (definition, text) in DEFINITIONS.iter().zip(defaults.texts()) {
        assert_eq!(definition.default, text, "{}", definition.name);
    }
}

#[test]
fn names_are_unique_and_speak_of_one_thing() {
    let mut variables: Vec<String> = DEFINITIONS
        .iter()
        .flat_map(|definition| [Some(definition.environment()), definition.file_name().map(|name| environment(&name))])
        .flatten()
        .collect();
    let count = variables.len();
    variables.sort();
    variables.dedup();
    assert_eq!(variables.len(), count);
    assert!(variables.iter().all(|name| !is_service_link(name) && !NOT_SETTINGS.contains(&name.as_str())));
    assert!(DEFINITIONS.iter().all(|definition| !definition.help.is_empty()));
}

#[test]
fn every_setting_can_be_set_by_its_variable_and_by_its_flag() {
    let defaults = Settings::default();
    for definition in DEFINITIONS.iter().filter(|definition| !definition.default.is_empty()) {
        let by_variable = load("", &[(&definition.environment(), definition.default)], &[]).unwrap();
        assert_eq!(by_variable, defaults, "{}", definition.name);
        let by_flag = load("", &[], &[(definition.name, definition.default)]).unwrap();
        assert_eq!(by_flag, defaults, "{}", definition.name);
    }
}

#[test]
fn later_layers_win() {
    let settings = load(
        "[cache]\nmemory_bytes_max = \"1GiB\"\n[render]\nthreads = 3\nqueue_max = 7",
        &[("AFTERIMAGE_RENDER_THREADS", "4"), ("HOME", "/h"), ("AFTERIMAGE_RENDER_QUEUE_MAX", "8")],
        &[("render.threads", "5"), ("render.threads", "6")],
    )
    .unwrap();
    assert_eq!(settings.cache.memory_bytes_max.get(), 1 << 30);
    assert_eq!((settings.render.threads, settings.render.queue_max), (6, 8));
}

#[test]
fn every_mistake_of_every_layer_is_reported_at_once_with_place_value_and_remedy() {
    let mistakes = load(
        "[cache]\nmemory_bytes_max = \"2 gigs\"\nmemory_byte_max = 1\n\n[server]\nlisten = 8080\n[colours]\nred = 1\n\
         [policy]\nladder = [320, 160]\nratios = [16.9]\n[limits]\nframes_max = 99999999999999999999",
        &[("AFTERIMAGE_RENDER_THREDS", "4"), ("AFTERIMAGE_LOG_LEVEL", "loud")],
        &[("http.browser_age", "60"), ("polcy.kind", "dims")],
    )
    .unwrap_err();
    let expected = [
        r#"conf/afterimage.toml:2: cache.memory_bytes_max = "2 gigs": not a size; try "2GiB""#,
        "conf/afterimage.toml:3: cache.memory_byte_max: no such setting; did you mean cache.memory_bytes_max?",
        r#"conf/afterimage.toml:6: server.listen = 8080: not an address and port; try "127.0.0.1:8080""#,
        "conf/afterimage.toml:7: colours: no such setting; remove it, or see docs/reference/settings.md",
        "conf/afterimage.toml:10: policy.ladder = 320, 160: name the sizes in ascending order, each once",
        r#"conf/afterimage.toml:11: policy.ratios = [16.9]: 16.9 is not two whole numbers from 1 to 10000 with a colon; try "16:9""#,
        "conf/afterimage.toml:13: limits.frames_max = 99999999999999999999: not a whole number; write one from 1 to 100000",
        r#"AFTERIMAGE_LOG_LEVEL: log.level = "loud": not one of "error", "warn", "info", "debug", "trace"; choose one of them"#,
        "AFTERIMAGE_RENDER_THREDS: no such setting; did you mean AFTERIMAGE_RENDER_THREADS?",
        "command line: polcy.kind: no such setting; did you mean policy.kind?",
        r#"command line: http.browser_age = "60": not a duration; try "60s" (units ms, s, m, h, d)"#,
    ];
    assert_eq!(mistakes, expected, "{mistakes:#?}");
}

#[test]
fn a_file_that_is_not_toml_is_reported_by_line_and_shows_no_secret() {
    let mistakes = load("[admin]\ntoken = \"hunter2\nlisten = \n[cache", &[], &[]).unwrap_err();
    assert!(mistakes.len() > 1 && mistakes[0].starts_with("conf/afterimage.toml:2: syntax: "), "{mistakes:#?}");
    assert!(mistakes.iter().all(|mistake| !mistake.contains("hunter2")), "{mistakes:#?}");
    let twice = load("[cache]\nmemory_bytes_max = \"1GiB\"\nmemory_bytes_max = \"2GiB\"", &[], &[]).unwrap_err();
    assert!(twice[0].starts_with("conf/afterimage.toml:3:"), "{twice:#?}");
    let large = load(&format!("# {}", "x".repeat(1 << 20)), &[], &[]).unwrap_err();
    assert!(large[0].contains("the most is 1048576"), "{large:#?}");
}

#[test]
fn presets_add_up_and_each_mistake_stands_at_its_line() {
    let settings =
        load("[presets]\nthumb = \"w=100\"", &[], &[("presets.big", "w=2000"), ("presets.thumb", "w=90")]).unwrap();
    assert_eq!(settings.presets.into_iter().collect::<Vec<_>>(), pairs(&[("big", "w=2000"), ("thumb", "w=90")]));
    let variable = ("AFTERIMAGE_PRESETS", "hero=w=1600&h=900; thumb=w=100");
    let settings = load("[presets]\nold = \"w=1\"", &[variable], &[("presets.big", "w=2000")]).unwrap();
    assert_eq!(settings.presets.keys().collect::<Vec<_>>(), ["big", "hero", "thumb"]);
    let mistakes = load("[presets]\nthumb = \"w=100\"\nwrong = \"w=-1\"", &[], &[]).unwrap_err();
    assert!(mistakes[0].starts_with("conf/afterimage.toml:3: presets.wrong = \"w=-1\": "), "{mistakes:#?}");
    for wrong in ["[presets]\n\"a b\" = \"w=1\"", "[presets]\na = 1", "presets = 3"] {
        assert_eq!(load(wrong, &[], &[]).unwrap_err().len(), 1, "{wrong}");
    }
}

#[test]
fn secrets_come_from_files_beside_the_configuration_or_anywhere() {
    let settings = load(
        "[[signing.keys]]\nname = \"a\"\nsecret_file = \"/run/secret\"\n[admin]\ntoken_file = \"secret\"",
        &[],
        &[],
    )
    .unwrap();
    assert_eq!(settings.signing.keys.0[0].secret.expose(), "from-a-file-0123456789");
    assert_eq!(settings.admin.token.unwrap().expose(), "from-a-file-0123456789");
    let variables = [("AFTERIMAGE_ADMIN_TOKEN_FILE", "/run/secret"), ("AFTERIMAGE_SIGNING_KEYS_FILE", "/run/keys")];
    let settings = load("[admin]\ntoken = \"0123456789abcdef\"", &variables, &[]).unwrap();
    assert_eq!(settings.admin.token.unwrap().expose(), "from-a-file-0123456789");
    assert_eq!(settings.signing.keys.0.len(), 2);
}

#[test]
fn wrong_secrets_are_one_mistake_each_and_are_not_shown() {
    let key = "[[signing.keys]]\nname = \"a\"\n";
    for (file, variables, words) in [
        ("[admin]\ntoken_file = \"/nowhere\"".to_owned(), &[][..], "admin.token_file = \"/nowhere\": cannot be read"),
        ("[admin]\ntoken_file = 5".to_owned(), &[], "admin.token_file = 5: not a path"),
        ("[admin]\ntoken_file = \"/run/empty\"".to_owned(), &[], "admin.token_file = \"/run/empty\": holds nothing"),
        ("[admin]\ntoken = \"hunter2\"".to_owned(), &[], "admin.token: shorter than 16 bytes"),
        ("[admin]\ntoken = \"hunter2 hunter2 hunter2\"".to_owned(), &[], "admin.token: has a space"),
        ("[admin]\ntoken = \"hunter2hunter2hunter2\"\ntoken_file = \"/run/secret\"".to_owned(), &[], "keep one"),
        (
            String::new(),
            &[("AFTERIMAGE_ADMIN_TOKEN", "hunter2hunter2hunter2"), ("AFTERIMAGE_ADMIN_TOKEN_FILE", "/run/secret")],
            "keep one",
        ),
        (String::new(), &[("AFTERIMAGE_ADMIN_TOKN", "hunter2")], "did you mean AFTERIMAGE_ADMIN_TOKEN?"),
        (format!("{key}secret_file = \"/nowhere\""), &[], "signing.keys.secret_file = \"/nowhere\": cannot be read"),
        (format!("{key}secret = \"hunter2\"\nsecret_file = \"/run/secret\""), &[], "keep one"),
        (format!("{key}secret = \"hunter2\""), &[], "use at least 16 bytes"),
        (key.to_owned(), &[], "has no secret"),
        (format!("{key}secret = \"hunter2hunter2hunter2\"\nalgorithm = 1"), &[], "no \"algorithm\""),
    ] {
        let loaded = load(&file, variables, &[]);
        let mistakes = loaded.unwrap_err();
        assert_eq!(mistakes.len(), 1, "{file}: {mistakes:#?}");
        assert!(mistakes[0].contains(words) && !mistakes[0].contains("hunter2"), "{file}: {mistakes:#?}");
    }
}

#[test]
fn what_kubernetes_announces_is_not_ours() {
    for name in ["AFTERIMAGE_PORT", "AFTERIMAGE_PORT_8080_TCP", "AFTERIMAGE_SERVICE_HOST", "AFTERIMAGE_CONFIG"] {
        assert!(load("", &[(name, "tcp://10.0.0.1:8080")], &[]).is_ok(), "{name}");
    }
    assert!(load("", &[("AFTERIMAGE_PORTS", "1")], &[]).is_err());
}

#[test]
fn relative_paths_start_at_the_file_that_names_them() {
    let directory = |settings: Settings| settings.source.directory.unwrap();
    assert_eq!(directory(load("[source]\ndirectory = \"pictures\"", &[], &[]).unwrap()), Path::new("conf/pictures"));
    assert_eq!(directory(load("[source]\ndirectory = \"/srv\"", &[], &[]).unwrap()), Path::new("/srv"));
    assert_eq!(directory(load("", &[], &[("source.directory", "pictures")]).unwrap()), Path::new("pictures"));
    assert!(load("[source]\ndirectory = \"~/pictures\"", &[], &[]).unwrap_err()[0].contains("not expanded"));
}

#[test]
fn settings_that_contradict_each_other_are_refused_where_they_stand() {
    for (file, words) in [
        (
            "[admin]\nlisten = \"0.0.0.0:8081\"",
            "conf/afterimage.toml:2: admin.listen = \"0.0.0.0:8081\": not on loopback, so set admin.token",
        ),
        ("[server]\nlisten = \"127.0.0.1:8081\"", "admin.listen = \"127.0.0.1:8081\": is server.listen too"),
        ("[server]\nlisten = \"0.0.0.0:8080\"\n[policy]\nopen = true", "policy.open = true: lifts the ladder"),
        ("[purge]\nfill_timeout = \"10s\"", "purge.fill_timeout = \"10s\": less than render.timeout (15s)"),
        ("[server]\nrequest_timeout = \"14s\"", "server.request_timeout = \"14s\": less than render.timeout (15s)"),
        (
            "[source]\nwindow = \"1m\"\non_unprovable = \"30s\"",
            "source.on_unprovable = \"30s\": less than source.window (1m)",
        ),
        ("[http]\nerror_age = \"1500ms\"", "http.error_age = \"1500ms\": HTTP counts whole seconds"),
        ("[http]\nbrowser_age = \"2d\"", "http.browser_age = \"2d\": more than http.shared_age"),
        ("[http]\ncors_origins = [\"https://a.org/\"]", "http.cors_origins = \"https://a.org/\": not an origin"),
        ("[http]\ncors_origins = [\"*\", \"https://a.org\"]", "http.cors_origins: \"*\" already allows"),
        (
            "[cache]\nmemory_bytes_max = \"16MiB\"",
            "cache.item_bytes_max = \"32MiB\": more than cache.memory_bytes_max (16MiB)",
        ),
        (
            "[render]\nmemory_bytes_max = \"63MiB\"",
            "render.memory_bytes_max = \"63MiB\": less than limits.source_bytes_max",
        ),
        (
            "[source]\ndirectory = \"/p\"\n[derivatives]\ndirectory = \"/p/./q/../cache\"",
            "derivatives.directory = \"/p/cache\": lies inside",
        ),
        ("[derivatives]\ncopies = true", "derivatives.copies = true: copies are for a CDN that reads a bucket itself"),
        ("[signing]\nrequired = true", "conf/afterimage.toml:2: signing.required = true: add a key"),
        ("[limits]\noutput_side_max = 1000", "policy.ladder = 1024: "),
        ("[admin]\nhosts = [\"http://a\"]", "admin.hosts = \"http://a\": each is a host name"),
    ] {
        let mistakes = load(file, &[], &[]).unwrap_err();
        assert!(mistakes.iter().any(|mistake| mistake.contains(words)), "{file}: {mistakes:#?}");
    }
    // Exactly at the bound they agree.
    for file in [
        "[purge]\nfill_timeout = \"15s\"",
        "[server]\nlisten = \"127.0.0.1:0\"\n[admin]\nlisten = \"127.0.0.1:0\"",
        "[cache]\nmemory_bytes_max = \"32MiB\"",
        "[render]\nmemory_bytes_max = \"64MiB\"",
        "[admin]\ntoken = \"0123456789abcdef\"\nlisten = \"0.0.0.0:8081\"",
    ] {
        assert!(load(file, &[], &[]).is_ok(), "{file}");
    }
}

proptest::proptest! {
    #[test]
    fn no_file_and_no_value_panics(text in "\\PC{0,200}", value in "\\PC{0,40}", which in 0usize..DEFINITIONS.len()) {
        let _ = load(&text, &[], &[]);
        let _ = load("", &[(&DEFINITIONS[which].environment(), &value)], &[]);
    }
}
