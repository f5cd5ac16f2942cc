package host

import (
	"os"
	"testing"

	"stentor/test/kit"
)

func TestMain(m *testing.M) { os.Exit(kit.Main(m)) }
