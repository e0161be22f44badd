//! The tests themselves. In: the world made by [`crate::world`]. Out: a panic when something is not as it must be.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

use crate::world::{
    Killed, Neighbour, Place, USERS, User, greeter, inhabitants, kill, name_server, namespace_of, wait_until,
};

/// A shell command that prints what the server at `$1`, port `$2`, sends.
const FETCH: &str = "fetch() { exec 3<>/dev/tcp/$1/$2 && echo hi >&3 && cat <&3; exec 3<&-; };";

pub(crate) fn tcp_reaches_servers_outside() {
    let place = Place::new();
    let neighbour = Neighbour::new();
    let mut servers = neighbour.greeters("from the neighbour\n");
    servers.extend(["127.0.0.1:0", "[::1]:0"].map(|address| greeter(address, "from the host\n")));
    let calls: String = servers.iter().map(|to| format!("fetch {} {};", to.ip(), to.port())).collect();
    for user in USERS {
        let heard = place.output(place.sandboxed(user, &format!("{FETCH} {calls}")));
        assert_eq!(heard, "from the neighbour\nfrom the neighbour\nfrom the host\nfrom the host\n", "{user:?}");
        let log = place.take_log();
        for to in &servers {
            assert!(log.contains(&format!("to {to} outside by bash")), "{user:?} {to}\n{log}");
        }
        assert!(log.contains("refused-udp 0"), "{log}");
    }
}

pub(crate) fn tcp_reaches_servers_inside() {
    let place = Place::new();
    let _neighbour = Neighbour::new(); // gives the machine the address that is used here
    for user in USERS {
        let mut command = place.program(user);
        command.arg("__run").arg(place.path("program")).arg("__talk_to_itself").env("OWN_ADDRESS", "198.18.77.1");
        let heard = place.output(command);
        assert_eq!(heard.matches("heard ").count(), 3, "{heard}");
        let log = place.take_log();
        assert_eq!(log.matches(" inside by program").count(), 3, "{user:?}\n{log}");
        assert!(log.contains("to 198.18.77.1:"), "{log}");
    }
}

pub(crate) fn names_are_resolved_outside() {
    let place = Place::new();
    name_server("127.77.0.53:53");
    // The first one is not there: the second must be asked.
    let resolv_conf = place.file("resolv.conf", "nameserver 127.77.0.54\nnameserver 127.77.0.53\n");
    // The resolver of the C library, with the name servers of this machine; then a name server at an IPv6 address.
    let script = "getent ahostsv4 registry.test.; python3 -c 'import socket
query = bytes.fromhex(\"beef01000001000000000000\") + b\"\\x04test\\x00\\x00\\x01\\x00\\x01\"
asker = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM); asker.settimeout(9); asker.connect((\"fd51:de00:77::2\", 53))
asker.send(query); answer = asker.recv(512)
print(answer[:2].hex(), answer[12:len(query)] == query[12:], socket.inet_ntoa(answer[-4:]))'";
    let _neighbour = Neighbour::new(); // so that there is a route over IPv6
    for user in USERS {
        let mut command = place.sandboxed(user, script);
        command.env("SANDBOX_RESOLV_CONF", &resolv_conf).env("PATH", "/usr/bin:/bin");
        let heard = place.output(command);
        assert!(heard.starts_with("203.0.113.9"), "{user:?} {heard}");
        assert!(heard.ends_with("beef True 203.0.113.9\n"), "{user:?} {heard}");
        assert!(place.take_log().contains("refused-udp 0"), "queries are not counted as refused");
    }
}

pub(crate) fn other_udp_is_refused_and_counted() {
    let place = Place::new();
    let _neighbour = Neighbour::new(); // so that there is a route to an address outside, over IPv6 too
    let send = "say() { exec 4<>/dev/udp/$1/$2 && echo hi >&4; read -r -t 9 -u 4; echo $? >&2; exec 4<&-; };";
    let script = format!(
        "{send} say 198.18.77.2 443; say fd51:de00:77::2 443; \
         python3 -c 'import socket
near = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); near.bind((\"127.0.0.1\", 0)); near.settimeout(9)
far = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); far.sendto(b\"hi\", near.getsockname())
print(near.recv(9).decode())'"
    );
    for user in USERS {
        let output = place.sandboxed(user, &script).env("PATH", "/usr/bin:/bin").output().unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(errors.matches("Connection refused").count(), 2, "{user:?} {errors}");
        assert_eq!(String::from_utf8_lossy(&output.stdout), "hi\n", "UDP within the sandbox is left alone: {errors}");
        let log = place.take_log();
        assert!(log.contains("refused-udp 2"), "{user:?} {log}");
    }
}

pub(crate) fn the_command_is_what_it_is_outside() {
    let place = Place::new();
    fs::create_dir(place.path("folder")).unwrap();
    let script = "id -u; id -g; pwd; pwd -P; ls -i -d .; echo $MARK $0 $1; cut -d' ' -f5,6,7,8 /proc/self/stat | cut -d' ' -f2-; \
                  ulimit -n; umask; grep -E '^Cap(Eff|Prm|Amb)' /proc/self/status; ls /proc/self/fd | wc -l; exit 7";
    for user in [User::Root, User::Nobody] {
        let shell = ["bash", "-c", script, "zero", "one"];
        let run = |mut command: Command| {
            command.env("MARK", "mark").current_dir(place.path("folder")).stdin(Stdio::null());
            let output = command.output().unwrap();
            (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
        };
        let mut inside = place.program(user);
        inside.arg("__run").args(shell);
        let mut outside = crate::world::become_user(user);
        outside.args(shell);
        let (inside, outside) = (run(inside), run(outside));
        assert_eq!(inside, outside, "{user:?}");
        assert_eq!(inside.0, Some(7));
        assert!(inside.1.contains("mark zero one"));
    }
}

pub(crate) fn settings_of_the_network_are_kept() {
    let place = Place::new();
    // In a network namespace between, settings and addresses can be changed without touching the machine's.
    let script = format!(
        "cd /proc/sys/net/ipv4; echo 77 >ip_unprivileged_port_start; echo '41000 42000' >ip_local_port_range; \
         ip link set lo up; ip link add slwide type veth peer name slend; ip link set slwide up; \
         for i in $(seq 100); do ip address add 198.18.78.$i/24 dev slwide; done; \
         exec {} __run sh -c 'cat ip_unprivileged_port_start ip_local_port_range; ip -o address show dev lo; ip route'",
        place.path("program").display()
    );
    let output = Command::new("unshare").args(["--net", "bash", "-c", &script]).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.starts_with("77\n41000\t42000\n"), "{text}{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(text.matches("inet 198.18.78.").count(), 64, "as many as are copied: {text}");
    assert!(text.contains("198.18.78.0/24 dev lo"), "no default route outside, hence none inside: {text}");
    assert!(!text.contains("default"), "{text}");
}

pub(crate) fn files_are_shown_inside_only() {
    let place = Place::new();
    let shown = place.file("shown", "combined roots\n");
    let target = place.file("target", "the host's roots\n");
    fs::set_permissions(&shown, PermissionsExt::from_mode(0o666)).unwrap();
    for user in USERS {
        let script = "cat target; cat \"$PWD/target\"; (echo spoilt >target) 2>/dev/null || echo read-only";
        let mut command = place.sandboxed(user, script);
        command.env("SANDBOX_BIND", format!("{}:{}", shown.display(), target.display()));
        let heard = place.output(command);
        assert_eq!(heard, "combined roots\ncombined roots\nread-only\n", "{user:?}");
        assert_eq!(fs::read_to_string(&target).unwrap(), "the host's roots\n");
        assert_eq!(fs::read_to_string(&shown).unwrap(), "combined roots\n");
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
        assert!(!mounts.contains(&*target.to_string_lossy()), "the mount is seen outside");
    }
    // A file system with flags of its own (nosuid, nodev): an ordinary user may not lose them on the way.
    let elsewhere =
        tempfile::Builder::new().permissions(PermissionsExt::from_mode(0o644)).tempfile_in("/dev/shm").unwrap();
    fs::write(elsewhere.path(), "from memory\n").unwrap();
    let mut command = place.sandboxed(User::Nobody, "cat target");
    command.env("SANDBOX_BIND", format!("{}:{}", elsewhere.path().display(), target.display()));
    assert_eq!(place.output(command), "from memory\n");
}

/// Starts a command that stays, and gives the program, the agent's process ID, the command's, and their namespace.
fn start_lasting(place: &Place, user: User) -> (Killed, u32, u32, String) {
    let mut command = place.sandboxed(user, "echo ready; exec sleep 600");
    let mut program = Killed(command.stdout(Stdio::piped()).spawn().unwrap());
    let mut line = String::new();
    BufReader::new(program.0.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line, "ready\n");
    wait_until("the log", || fs::read_to_string(place.path("log")).is_ok_and(|log| log.contains("agent ")));
    let log = place.take_log();
    let numbers: Vec<u32> = log.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    let namespace = namespace_of(numbers[1]).unwrap();
    assert_ne!(Some(&namespace), namespace_of(std::process::id()).as_ref());
    (program, numbers[0], numbers[1], namespace)
}

/// The packet filter's rules in the namespaces of a process.
fn ruleset(pid: u32) -> String {
    let pid = pid.to_string();
    let output = Command::new("nsenter").args(["-t", &pid, "-n", "nft", "list", "ruleset"]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

pub(crate) fn nothing_is_left_when_the_parent_is_killed() {
    let place = Place::new();
    for user in USERS {
        let (program, agent, command, namespace) = start_lasting(&place, user);
        let rules = ruleset(command);
        for part in ["flags owner", "meta nfproto ipv4 meta l4proto tcp redirect to", "udp dport 53 redirect to"] {
            assert!(rules.contains(part), "{part}: {rules}");
        }
        kill(program.0.id());
        wait_until("the end of the agent", || !inhabitants(&namespace).contains(&agent));
        wait_until("the end of the table", || ruleset(command).is_empty());
        kill(command);
        wait_until("the end of the namespace", || inhabitants(&namespace).is_empty());
    }
}

pub(crate) fn the_parent_notices_when_the_agent_is_killed() {
    let place = Place::new();
    for user in USERS {
        let (mut program, agent, command, namespace) = start_lasting(&place, user);
        kill(agent);
        wait_until("the end of the table", || ruleset(command).is_empty());
        kill(command);
        assert_eq!(program.0.wait().unwrap().code(), Some(128 + 9));
        let log = place.take_log();
        assert!(log.contains("agent-gone BrokenPipe"), "{log}");
        assert!(inhabitants(&namespace).is_empty());
    }
}

pub(crate) fn refusals_name_what_is_missing() {
    let place = Place::new();
    let program = place.path("program");
    let refused = |limit: &str| {
        // In a user namespace of its own, the limit can be lowered without touching the machine's.
        let script = format!("echo 0 >/proc/sys/user/{limit} && exec {} __run true", program.display());
        let output = Command::new("unshare").args(["--user", "--map-root-user", "sh", "-c", &script]).output().unwrap();
        assert_eq!(output.status.code(), Some(125), "{limit}: {output:?}");
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let network = refused("max_net_namespaces");
    assert!(network.starts_with("making a network namespace: No space left on device"), "{network}");
    assert!(network.contains("sysctl user.max_net_namespaces="), "{network}");
    let mount = refused("max_mnt_namespaces");
    assert!(mount.contains("sysctl user.max_mnt_namespaces="), "{mount}");

    let missing =
        place.program(User::Nobody).args(["__run", "true"]).env("SANDBOX_BIND", "/nonexistent:/etc/hosts").output();
    let missing = String::from_utf8_lossy(&missing.unwrap().stderr).into_owned();
    assert!(missing.starts_with("showing /nonexistent at /etc/hosts: No such file"), "{missing}");
}
