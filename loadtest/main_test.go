package loadtest

import (
	"flag"
	"fmt"
	"os"
	"testing"

	"stentor/test/kit"
)

// The test binary is a worker process too, when it is told so.
const workerEnv = "RUN_LOADTEST_WORKER"

func TestMain(m *testing.M) {
	if os.Getenv(workerEnv) == "1" {
		if err := RunWorker(os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	flag.Parse()
	flag.Set("test.parallel", "24") // runs wait for most of their time
	os.Exit(kit.Main(m))
}

// workerCommand starts a worker process.
func workerCommand() []string { return []string{"/usr/bin/env", workerEnv + "=1", os.Args[0]} }
