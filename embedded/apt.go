package embedded

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
)

// clusterConf tells Debian's package whether to make a database of its own.
const clusterConf = "/etc/postgresql-common/createcluster.conf"

// apt installs PostgreSQL from Debian, if this is Debian and we may. While it
// does, Debian's package is told not to make and start a database of its own.
func (src Source) apt(ctx context.Context) error {
	if _, err := exec.LookPath("apt-get"); err != nil || os.Geteuid() != 0 {
		return errors.New("apt-get: only for root on Debian")
	}
	wanted := "postgresql"
	if src.Major != 0 {
		wanted += "-" + strconv.Itoa(src.Major)
	}
	src.Log.InfoContext(ctx, "installing a package with apt-get; this takes a minute", "package", wanted)
	for _, step := range [][]string{
		{"apt-get", "update", "-q"},
		aptInstall("postgresql-common"),
		{"pg_conftool", clusterConf, "set", "create_main_cluster", "off"},
	} {
		if err := administer(ctx, step); err != nil {
			return err
		}
	}
	return errors.Join(
		administer(ctx, aptInstall(wanted)),
		administer(ctx, []string{"pg_conftool", clusterConf, "remove", "create_main_cluster"}),
	)
}

func aptInstall(name string) []string {
	return []string{"apt-get", "install", "-y", "-q", "--no-install-recommends", name}
}

func administer(ctx context.Context, command []string) error {
	c := exec.CommandContext(ctx, command[0], command[1:]...) //nolint:gosec // those above, and nothing else
	c.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
	if out, err := c.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", strings.Join(command, " "), err, lastLine(out))
	}
	return nil
}

func lastLine(out []byte) string {
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	return lines[len(lines)-1]
}
