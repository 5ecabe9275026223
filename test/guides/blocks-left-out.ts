/** A command block of a guide that no test executes. */
interface LeftOut {
  /** Name of the guide, without `.md`. */
  page: string
  /** A text that only this block of the guide has. */
  has: string
  because: string
}

const otherTest = (file: string): string => `test/wide/${file}.test.ts does what it says, in another way`

/** The command blocks that are not executed as they stand, with the reason. */
export const blocksLeftOut: readonly LeftOut[] = [
  {
    page: 'workers',
    has: 'jetty workers stop',
    because: 'names a worker of the reader; test/integration/workers stops one',
  },
  { page: 'hooks', has: 'STRIPE_SECRET=whsec_', because: 'needs a secret of Stripe; test/integration/hooks sets one' },
  {
    page: 'experiments',
    has: '--judges judges.json',
    because: 'needs a task and judges of the reader; test/integration/experiments runs such ones',
  },
  {
    page: 'experiments',
    has: 'jetty experiments resume',
    because: 'needs one that stopped at its bound; test/integration/experiments has one',
  },
  { page: 'agents', has: 'jetty agents install', because: otherTest('agents-command') },
  { page: 'benchmarks', has: 'npm run bench -- engine', because: 'measures for minutes, and needs a quiet machine' },
  { page: 'benchmarks', has: 'npm run bench -- web', because: 'measures for minutes, and needs a quiet machine' },
  {
    page: 'cli',
    has: 'jetty serve --port 8080',
    because: 'needs a port of its own; served-guides starts and stops one',
  },
  { page: 'containers', has: 'podman run', because: otherTest('image') },
  { page: 'containers', has: '--base docker.io', because: 'takes a base image from a registry' },
  { page: 'containers', has: 'docker compose up', because: 'takes two images from a registry' },
  { page: 'deploy', has: 'npm ci --include=dev', because: 'builds the clone in which the test runs; npm test does so' },
  { page: 'deploy', has: 'systemctl enable', because: otherTest('image') },
  { page: 'deploy', has: 'runuser -u jetty', because: otherTest('image') },
  { page: 'deploy', has: 'npm install -g', because: otherTest('package') },
  { page: 'limits', has: 'JETTY_MAX_OUTPUT_BYTES', because: 'starts a server that runs until it is stopped' },
  { page: 'mcp', has: 'claude mcp add --transport http', because: otherTest('mcp-agent') },
  { page: 'mcp', has: 'codex mcp add', because: 'changes the settings of agents that are not part of Jetty' },
  { page: 'own-activities', has: 'jetty worker run', because: 'waits for jobs; test/cli/worker.test.ts runs it' },
  { page: 'own-activities', has: 'jetty serve', because: 'the guide is read on a server that was started so' },
  { page: 'otlp-export', has: 'jetty serve', because: 'starts a server; test/integration/traces starts several so' },
  {
    page: 'postgres',
    has: 'db:5432',
    because: 'needs a PostgreSQL of the reader; every test starts a server over one',
  },
  { page: 'postgres', has: 'sslmode=verify-full', because: 'needs a PostgreSQL of the reader with TLS' },
  { page: 'sandbox-images', has: 'JETTY_SNAPSHOTS', because: otherTest('podman-runbooks') },
  { page: 'sandboxes', has: 'apt install bubblewrap', because: 'changes the machine' },
  { page: 'sandboxes', has: 'apparmor_parser', because: 'changes the machine' },
  { page: 'sandboxes', has: 'loginctl', because: 'changes the machine' },
  { page: 'scaling', has: 'JETTY_ROLE=worker', because: 'test/crash starts several processes over one database' },
  { page: 'trial-keys', has: 'JETTY_TRIAL_KEYS=', because: 'starts a server; the tests of trials start one' },
  { page: 'upgrade', has: 'git pull', because: 'fetches another version' },
]
