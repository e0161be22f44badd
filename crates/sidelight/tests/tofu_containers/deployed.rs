//! The other images, and what is in `deploy/`. In: Dockerfiles and manifests as they lie in the repository. Out: each built, checked against
//! what its platform demands, and run with the engine's flags that say the same.

use std::net::IpAddr;
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use sidelight_testkit::process::run;
use sidelight_testkit::{Finished, Hosts, Issuer, Leaf, Origin, peers};

use crate::engine::{Engine, leaf, repository, scanner};

/// The service of the manifests.
const EXAMPLE: &str = "api.example";

#[test]
#[ignore = "needs the static program of `cargo xtask dist`"]
fn images_of_other_bases() {
    let engine = Engine::new();
    alpine_look_alike(&engine);
    engine.build("sidelight:alpine", "images/alpine/Dockerfile", &["BASE=base:alpine"]);
    engine.build("sidelight:scratch", "images/scratch/Dockerfile", &[]);
    engine.import("debian");
    engine.build("sidelight:add", "images/add/Dockerfile", &["IMAGE=base:debian"]);
    let _service = engine.service(&leaf(&scanner()));
    let run = |image: &str, command: &[&str]| engine.container(&format!("run --rm {}", engine.pins()), image, command);

    let url = engine.url();
    let curl = ["curl", "--silent", "--max-time", "30", "--write-out", "%{http_code}", &url];
    assert_eq!(run("sidelight:add", &curl).success().text(), "204");
    // Without a command, the shell; it reads nothing and ends.
    run("sidelight:alpine", &[]).success();
    let bundle = run("sidelight:alpine", &["cat", "/etc/ssl/certs/ca-certificates.crt"]).success();
    assert!(bundle.text().matches("BEGIN CERTIFICATE").count() >= 3, "the pair is not there: {bundle}");
    // Nothing else is in this one: the program itself is the command.
    let version = run("sidelight:scratch", &["/sidelight", "--version"]).success();
    assert!(version.text().starts_with("sidelight "), "{version}");
}

/// Alpine's paths around a static busybox; its own libc is no part of what is tested.
fn alpine_look_alike(engine: &Engine) {
    let root = engine.path("alpine");
    for folder in ["bin", "etc/ssl/certs", "lib/apk/db", "tmp", "usr/bin", "usr/local/share/ca-certificates", "var/lib"]
    {
        std::fs::create_dir_all(root.join(folder)).unwrap();
    }
    std::fs::copy("/bin/busybox", root.join("bin/busybox")).unwrap();
    for name in ["sh", "test", "cat", "cp", "sleep", "true", "[", "id"] {
        std::os::unix::fs::symlink("/bin/busybox", root.join("bin").join(name)).unwrap();
    }
    let files = [
        ("etc/alpine-release", "3.20.3\n"),
        ("etc/os-release", "NAME=\"Alpine Linux\"\nID=alpine\nVERSION_ID=3.20.3\n"),
        ("etc/passwd", "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/sbin/nologin\n"),
        ("etc/group", "root:x:0:root\nnobody:x:65534:\n"),
        ("etc/ssl/certs/ca-certificates.crt", Issuer::root("Other Root").pem()),
    ]
    .map(|(path, content)| (path, content.to_owned()));
    for (path, content) in files {
        std::fs::write(root.join(path), content).unwrap();
    }
    std::os::unix::fs::symlink("certs/ca-certificates.crt", root.join("etc/ssl/cert.pem")).unwrap();
    let tar = engine.path("alpine.tar");
    run(Command::new("tar").arg("-C").arg(&root).arg("-cf").arg(&tar).arg(".")).success();
    engine.docker(&["import", tar.to_str().unwrap(), "base:alpine"]).success();
}

/// A YAML file of `deploy/`.
fn yaml(path: &Path) -> Value {
    let script = "import json, sys, yaml; print(json.dumps(yaml.safe_load(open(sys.argv[1]))))";
    let read = run(Command::new(peers::python()).args(["-c", script]).arg(path)).success();
    serde_json::from_slice(&read.stdout).unwrap()
}

fn words(value: &Value) -> Vec<&str> {
    value.as_array().into_iter().flatten().filter_map(Value::as_str).collect()
}

fn text<'v>(value: &'v Value, pointer: &str) -> &'v str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_else(|| panic!("no {pointer} in {value:#}"))
}

/// The service of the manifests, on HTTPS's own port.
fn example(engine: &Engine, issuer: &Issuer) -> Origin {
    Origin::https(&format!("{}:443", engine.address()), &issuer.issue(&Leaf::named(&[EXAMPLE])), &["http/1.1"])
}

/// What every pod must say under the restricted Pod Security Standard, version 1.30.
fn is_restricted(pod: &Value) {
    assert_eq!((text(pod, "/apiVersion"), text(pod, "/kind")), ("v1", "Pod"));
    let spec = &pod["spec"];
    assert_eq!(spec["securityContext"]["runAsNonRoot"], true);
    assert_ne!(spec["securityContext"]["runAsUser"], 0);
    assert_eq!(text(spec, "/securityContext/seccompProfile/type"), "RuntimeDefault");
    for field in ["hostNetwork", "hostPID", "hostIPC"] {
        assert!(spec[field].is_null(), "{field}");
    }
    for volume in spec["volumes"].as_array().unwrap() {
        assert!(volume["configMap"].is_object() || volume["emptyDir"].is_object(), "{volume}");
    }
    let volumes: Vec<&str> = spec["volumes"].as_array().unwrap().iter().map(|volume| text(volume, "/name")).collect();
    for container in containers(pod) {
        let context = &container["securityContext"];
        assert_eq!(context["allowPrivilegeEscalation"], false, "{container}");
        assert_eq!(context["readOnlyRootFilesystem"], true, "{container}");
        assert_eq!(words(&context["capabilities"]["drop"]), ["ALL"], "{container}");
        assert!(context["capabilities"]["add"].is_null() && context["privileged"].is_null(), "{container}");
        for mount in container["volumeMounts"].as_array().unwrap() {
            assert!(volumes.contains(&text(mount, "/name")), "{mount} names no volume");
        }
    }
}

fn containers(pod: &Value) -> Vec<&Value> {
    let of = |kind: &str| pod["spec"][kind].as_array().into_iter().flatten().collect::<Vec<_>>();
    [of("initContainers"), of("containers")].concat()
}

/// Runs one container of a pod with the flags of docker(1) that say what its manifest says.
fn run_of_pod(engine: &Engine, pod: &Value, container: &Value, further: &[&str]) -> Finished {
    let user =
        format!("{}:{}", pod["spec"]["securityContext"]["runAsUser"], pod["spec"]["securityContext"]["runAsGroup"]);
    let host = format!("{EXAMPLE}:{}", engine.address());
    let mut all: Vec<String> =
        ["run", "--network", "host", "--read-only", "--cap-drop", "ALL"].map(str::to_owned).into();
    all.extend(["--security-opt", "no-new-privileges", "--user", &user, "--add-host", &host].map(str::to_owned));
    for mount in container["volumeMounts"].as_array().unwrap() {
        let folder = engine.path(text(mount, "/name"));
        let only = if mount["readOnly"] == true { ":ro" } else { "" };
        all.extend(["-v".to_owned(), format!("{}:{}{only}", folder.display(), text(mount, "/mountPath"))]);
    }
    for variable in container["env"].as_array().into_iter().flatten() {
        all.extend(["-e".to_owned(), format!("{}={}", text(variable, "/name"), text(variable, "/value"))]);
    }
    let command = words(&container["command"]);
    all.extend(further.iter().map(|word| (*word).to_owned()));
    all.extend(["--entrypoint", command[0], text(container, "/image")].map(str::to_owned));
    all.extend(command[1..].iter().chain(&words(&container["args"])).map(|word| (*word).to_owned()));
    engine.docker(&all.iter().map(String::as_str).collect::<Vec<_>>())
}

/// The volumes of a pod: empty folders that everyone may write, as the kubelet makes them, and the ConfigMap's files.
fn volumes(engine: &Engine, pod: &Value, config_map: &Value) {
    use std::os::unix::fs::PermissionsExt as _;
    for volume in pod["spec"]["volumes"].as_array().unwrap() {
        let folder = engine.path(text(volume, "/name"));
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir(&folder).unwrap();
        std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o777)).unwrap();
        if volume["configMap"].is_object() {
            assert_eq!(volume["configMap"]["name"], config_map["metadata"]["name"]);
            for (name, content) in config_map["data"].as_object().unwrap() {
                std::fs::write(folder.join(name), content.as_str().unwrap()).unwrap();
            }
        }
    }
}

#[test]
#[ignore = "needs the static program of `cargo xtask dist`"]
fn pods_under_the_restricted_standard() {
    let engine = Engine::with_debian();
    // Both have a shell and the same programs; Alpine's own is tested elsewhere.
    alpine_look_alike(&engine);
    engine.build("sidelight:alpine", "images/alpine/Dockerfile", &["BASE=base:alpine"]);
    engine.line("tag base:debian app:1").success();
    let service = example(&engine, &scanner());

    // The ConfigMap, as its head says that it is made.
    let hosts = Hosts::new(&engine.path(""), &[(EXAMPLE, IpAddr::V4(engine.address()))]);
    let mut enrol = hosts.command(env!("CARGO_BIN_EXE_sidelight"));
    let made = run(enrol.args(["tofu", "enrol", EXAMPLE, "--yes", "--format", "kubernetes"])).success();
    std::fs::write(engine.path("known-roots.yaml"), &made.stdout).unwrap();
    let config_map = yaml(&engine.path("known-roots.yaml"));
    let written = yaml(&repository().join("deploy/kubernetes/known-roots.yaml"));
    for pointer in ["/apiVersion", "/kind", "/metadata/name"] {
        assert_eq!(text(&config_map, pointer), text(&written, pointer));
    }
    assert!(text(&written, "/data/known-roots").contains("api.example:443 sha256//"));
    let read = |name: &str| yaml(&repository().join("deploy/kubernetes").join(name));

    for name in ["entrypoint.yaml", "init-container.yaml"] {
        let pod = read(name);
        is_restricted(&pod);
        volumes(&engine, &pod, &config_map);
        for container in containers(&pod) {
            let done = run_of_pod(&engine, &pod, container, &[]).success();
            if container["name"] == "app" {
                assert_eq!(done.text(), "a local origin\n", "{name}: {done}");
            }
        }
    }
    let sidecar = read("sidecar.yaml");
    is_restricted(&sidecar);
    volumes(&engine, &sidecar, &config_map);
    let [watch, app] = containers(&sidecar)[..] else { panic!("{sidecar:#}") };
    assert_eq!(watch["restartPolicy"], "Always", "an init container that ends is no sidecar");
    run_of_pod(&engine, &sidecar, watch, &["--detach", "--name", "watch", "-e", "EVERY=1"]).success();
    until_logged(&engine, "watch", "the recorded key");
    let done = run_of_pod(&engine, &sidecar, app, &[]).success();
    assert_eq!(done.text(), "a local origin\n", "{done}");
    drop(service);
    engine.until(|| std::net::TcpListener::bind((engine.address(), 443)).is_ok());
    let _attacked = example(&engine, &scanner());
    until_logged(&engine, "watch", "another key than the one recorded");
    let refused = run_of_pod(&engine, &sidecar, app, &[]);
    assert_eq!(refused.status.code(), Some(121), "{refused}");
    engine.line("rm --force watch").success();
}

fn until_logged(engine: &Engine, container: &str, words: &str) {
    engine.until(|| engine.line(&format!("logs {container}")).errors().contains(words));
}

#[test]
#[ignore = "needs the static program of `cargo xtask dist`"]
fn the_compose_file_and_the_mirror() {
    let engine = Engine::with_debian();
    let service = example(&engine, &scanner());
    let file = repository().join("deploy/compose/compose.yaml");
    let compose = yaml(&file);
    let app = &compose["services"]["app"];
    let name = words(&app["volumes"])[0].split(':').next().unwrap();
    assert_eq!(text(&compose["volumes"], &format!("/{name}/name")), name, "the volume has no name of its own");
    assert_eq!((words(&app["cap_drop"]), words(&app["security_opt"])), (vec!["ALL"], vec!["no-new-privileges:true"]));

    // The engine has no network of its own, and the example's name leads nowhere; all else is as it is written.
    let here = engine.path("here.yaml");
    let host = format!("{EXAMPLE}:{}", engine.address());
    std::fs::write(&here, format!("services: {{app: {{network_mode: host, extra_hosts: [\"{host}\"]}}}}\n")).unwrap();
    for said in ["adopted on first use", "the recorded key"] {
        let mut compose = engine.compose();
        compose.arg("--file").arg(&file).arg("--file").arg(&here).args(["run", "--rm", "-T", "app"]);
        let done = run(&mut compose).success();
        assert_eq!(done.text(), "a local origin\n", "{done}");
        assert!(done.errors().contains(said), "{done}");
    }
    drop(service);
    mirror(&engine);
}

/// A repository that is served as files over HTTPS, mirrored into a folder.
fn mirror(engine: &Engine) {
    engine.build_in("git-mirror", "deploy/git-mirror/Dockerfile", &[], &repository().join("deploy/git-mirror"));
    let served = engine.path("served");
    let script = "set -e; git init -q -b main work; cd work; git config user.email a@a.test; git config user.name A; \
        echo hello > words; git add words; git commit -q -m first; git tag v1; cd ..; mkdir served; \
        git clone -q --mirror work served/app.git; git -C served/app.git update-server-info";
    run(Command::new("sh").current_dir(engine.path("")).args(["-c", script])).success();
    let (chain, key) = leaf(&scanner()).write_to(&engine.path(""), "git");
    let server = "import http.server, ssl, sys, functools\n\
        handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=sys.argv[4])\n\
        server = http.server.ThreadingHTTPServer(('127.0.0.1', int(sys.argv[1])), handler)\n\
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)\n\
        context.load_cert_chain(sys.argv[2], sys.argv[3])\n\
        server.socket = context.wrap_socket(server.socket, server_side=True)\n\
        server.serve_forever()\n";
    let mut python = Command::new(peers::python());
    python.args(["-c", server, &engine.port.to_string()]).args([&chain, &key]).arg(&served);
    let mut running = sidelight_testkit::Running::start(&mut python, &engine.path("git.log"));
    running.until_it_listens(&Hosts::new(&engine.path(""), &[]), ([127, 0, 0, 1], engine.port).into());
    let mirrored = engine.path("mirrored");
    std::fs::create_dir(&mirrored).unwrap();
    let source = format!("https://{}:{}/app.git", crate::engine::NAME, engine.port);
    let options = format!(
        "run --rm {} -v {}:/mirror -e SOURCE={source} -e DESTINATION=/mirror/app.git -e EVERY=0",
        engine.volume("git"),
        mirrored.display()
    );
    engine.container(&options, "git-mirror", &[]).success();
    let heads = |repository: &Path| {
        let show = ["-c", "safe.directory=*", "show-ref"];
        run(Command::new("git").arg("-C").arg(repository).args(show)).success().text()
    };
    let copied = heads(&mirrored.join("app.git"));
    assert_eq!(copied, heads(&served.join("app.git")));
    assert!(copied.contains("refs/tags/v1"), "{copied}");
}
