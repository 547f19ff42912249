package embedded

import (
	"maps"
	"runtime"
)

// settings returns what the server is started with.
func settings(cfg Config, socketDir string) map[string]string {
	s := map[string]string{
		"listen_addresses":        "",
		"unix_socket_directories": socketDir,
		"unix_socket_permissions": "0700",
		"logging_collector":       "off",
		"log_destination":         "stderr",
		"log_line_prefix":         "",
		"log_checkpoints":         "off",
		"cluster_name":            "rowhouse",

		// Errors are for whoever sent the statement. What they quote may be
		// personal, so the log only has what concerns the server itself.
		"log_min_messages":        "log",
		"log_min_error_statement": "panic",
		"log_error_verbosity":     "terse",

		"max_connections": "200", // of two nodes, with room for tools and a benchmark
		"shared_buffers":  "256MB",
		"jit":             "off", // compiling costs more than our statements take

		// Fewer checkpoints, so that fewer pages are logged whole, but enough of them
		// that there is little to recover after a crash.
		"wal_buffers":        "16MB",
		"max_wal_size":       "2GB",
		"checkpoint_timeout": "5min",

		// The data is on an SSD and the statements are short.
		"random_page_cost":                "1.1",
		"max_parallel_workers_per_gather": "0",

		// A new table needs statistics soon: plans are bad without.
		"autovacuum_naptime": "10s",
	}
	if runtime.GOOS == "linux" {
		// One call instead of one for each of a thousand files: 0.3 s instead of 4
		// before a recovery begins, on a machine that is busy.
		s["recovery_init_sync_method"] = "syncfs"
	}
	if cfg.Ephemeral {
		maps.Copy(s, map[string]string{
			"fsync": "off", "full_page_writes": "off",
			"wal_level": "minimal", "max_wal_senders": "0", "wal_buffers": "4MB",
			"dynamic_shared_memory_type": "mmap", // which nothing is left of when it is killed
			"max_connections":            "300", "shared_buffers": "128MB", "autovacuum": "off",
		})
	}
	maps.Copy(s, cfg.Settings)
	return s
}
