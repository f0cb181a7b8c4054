package deploy_test

import (
	"maps"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// compose is what the test knows of compose.yaml; a key that is in none of these is a mistake or needs a look.
type compose struct {
	Name     string
	Symbolon yaml.Node `yaml:"x-symbolon"`
	Services map[string]service
	Networks map[string]struct {
		IPAM struct {
			Config []struct{ Subnet netip.Prefix }
		}
	}
	Volumes map[string]any
}

type service struct {
	Build, Image, Restart string
	StopGracePeriod       string `yaml:"stop_grace_period"`
	Environment           map[string]string
	DependsOn             yaml.Node `yaml:"depends_on"`
	Networks              yaml.Node
	Ports, Volumes        []string
	Command, Entrypoint   []string
	Healthcheck           *struct {
		Test                       []string
		Interval, Timeout, Retries string
	}
}

// hole is where compose.yaml takes a variable of the operator's.
var hole = regexp.MustCompile(`\$\{([A-Z0-9_]+)(?:(:[?-])([^}]*))?\}`)

// The example cannot be started where there is no container engine. So it is held to what can be known of it: it
// reads as written, names only what is there, and the program takes its settings.
func TestTheComposeFileFitsTheProgram(t *testing.T) {
	file, err := os.Open("compose.yaml")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	decoder := yaml.NewDecoder(file)
	decoder.KnownFields(true)
	var c compose
	if err := decoder.Decode(&c); err != nil {
		t.Fatal(err)
	}

	// Every variable without a default is asked for in example.env, and nothing else is.
	example, err := os.ReadFile("example.env")
	if err != nil {
		t.Fatal(err)
	}
	given := map[string]string{}
	for line := range strings.Lines(string(example)) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), "="); ok && !strings.HasPrefix(line, "#") {
			given[name] = value
		}
	}
	source, err := os.ReadFile("compose.yaml")
	if err != nil {
		t.Fatal(err)
	}
	used := map[string]bool{}
	for _, h := range hole.FindAllStringSubmatch(string(source), -1) {
		used[h[1]] = true
		if _, ok := given[h[1]]; !ok {
			t.Errorf("example.env does not say %s", h[1])
		}
	}
	for name := range given {
		if !used[name] {
			t.Errorf("example.env says %s, and compose.yaml has no use for it", name)
		}
	}

	var nodes []string
	for name, s := range c.Services {
		if s.Image == "symbolon" {
			nodes = append(nodes, name)
		}
		for _, needed := range names(s.DependsOn) {
			if other, ok := c.Services[needed]; !ok {
				t.Errorf("%s waits for %s, which is not there", name, needed)
			} else if s.DependsOn.Kind == yaml.MappingNode && other.Healthcheck == nil {
				t.Errorf("%s waits for the health of %s, which nobody checks", name, needed)
			}
		}
		for _, network := range names(s.Networks) {
			if _, ok := c.Networks[network]; !ok {
				t.Errorf("%s is in the network %s, which is not there", name, network)
			}
		}
		for _, v := range s.Volumes {
			from, _, _ := strings.Cut(hole.ReplaceAllString(v, "/given"), ":")
			if _, named := c.Volumes[from]; strings.HasPrefix(from, "./") {
				if _, err := os.Stat(filepath.Clean(from)); err != nil {
					t.Errorf("%s: %v", name, err)
				}
			} else if !named && !strings.HasPrefix(from, "/") {
				t.Errorf("%s uses the volume %s, which is not there", name, from)
			}
		}
	}
	slices.Sort(nodes)
	if len(nodes) != 3 {
		t.Fatalf("the nodes are %q", nodes)
	}

	// The proxy knows the nodes by their names, and they know it by its network.
	proxy, err := os.ReadFile("nginx.conf")
	if err != nil {
		t.Fatal(err)
	}
	for _, node := range nodes {
		if !strings.Contains(string(proxy), "server "+node+":") {
			t.Errorf("nginx.conf does not lead to %s", node)
		}
		env := c.Services[node].Environment
		if got, want := env["SYMBOLON_TRUSTED_PROXIES"], c.Networks["inside"].IPAM.Config[0].Subnet.String(); got != want {
			t.Errorf("%s trusts proxies in %s, and the network is %s", node, got, want)
		}
		if !maps.Equal(env, c.Services[nodes[0]].Environment) {
			t.Errorf("%s and %s are set up differently", node, nodes[0])
		}
	}

	// The program itself reads the settings, as docker would fill them in.
	program := filepath.Join(t.TempDir(), "symbolon")
	if out, err := exec.Command("go", "build", "-o", program, "../cmd/symbolon").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	made := map[string]string{"SYMBOLON_KEY": strings.TrimSpace(run(t, program, nil, "keys", "new")), "S3_SECRET_KEY": "a long random word"}
	maps.Copy(given, made)
	var env []string
	for name, value := range c.Services[nodes[0]].Environment {
		env = append(env, name+"="+hole.ReplaceAllStringFunc(value, func(h string) string { return given[hole.FindStringSubmatch(h)[1]] }))
	}
	run(t, program, env, "check-config")
}

// names are the keys of a mapping, or the entries of a list.
func names(n yaml.Node) (all []string) {
	for i, entry := range n.Content {
		if n.Kind == yaml.SequenceNode || i%2 == 0 {
			all = append(all, entry.Value)
		}
	}
	return all
}

// run runs a command of the program with variables of its own.
func run(t *testing.T, program string, env []string, command ...string) string {
	t.Helper()
	cmd := exec.Command(program, command...)
	cmd.Dir = t.TempDir()
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + cmd.Dir}, env...)
	var problems strings.Builder
	cmd.Stderr = &problems
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("symbolon %q: %v\n%s%s", command, err, out, problems.String())
	}
	return string(out)
}
