import { readImagePatterns } from '../files/image-names.ts'
import { byteCount, folder, oneOf, reading, seconds, setting, text, wholeNumber } from './setting.ts'

/** `name=image` pairs, comma separated. */
const images = () =>
  reading('be a comma separated list of name=image', (value) => {
    const pairs = value
      .split(',')
      .map((part) => part.trim())
      .filter(Boolean)
      .map((part) => part.split(/=(.*)/s).slice(0, 2) as [string, string])
    return pairs.every(([name, image]) => /^[\w.-]+$/.test(name) && Boolean(image)) ? new Map(pairs) : undefined
  })

const dollars = () =>
  reading('be an amount of US dollars', (value) =>
    /^\d+(\.\d+)?$/.test(value) && Number(value) > 0 ? Number(value) : undefined,
  )

/** Settings of runbooks: the sandbox of agents and its limits. */
export const sandboxSettings = {
  sandbox: setting({
    variable: 'JETTY_SANDBOX',
    description:
      'What coding agents run in. process isolates nothing: the agent is an ordinary process of this machine with all ' +
      'that this user may do, and every run says so.',
    default: 'bubblewrap',
    example: 'podman',
    schema: oneOf(['bubblewrap', 'docker', 'podman', 'process']),
  }),
  sandboxSocket: setting({
    variable: 'JETTY_SANDBOX_SOCKET',
    description: 'Socket of Docker or Podman. Default: where the chosen one has it.',
    example: '/run/user/1000/podman/podman.sock',
    schema: text('be the path of a socket', /^\//),
  }),
  sandboxDir: setting({
    variable: 'JETTY_SANDBOX_DIR',
    description: 'Folder in which sandboxes are made. Default: sandboxes, in the data folder.',
    example: '/mnt/scratch/jetty',
    schema: folder(),
  }),
  agentsDir: setting({
    variable: 'JETTY_AGENTS_DIR',
    description: 'Folder that coding agents are fetched into. Default: agents, in the data folder.',
    example: '/opt/jetty-agents',
    schema: folder(),
  }),
  sandboxes: setting({
    variable: 'JETTY_SANDBOXES',
    description: 'Runbooks that are carried out at once in this process; further ones wait.',
    default: '10',
    example: '4',
    schema: wholeNumber(1, 1_000),
  }),
  sandboxesPerCollection: setting({
    variable: 'JETTY_SANDBOXES_PER_COLLECTION',
    description:
      'Runbooks of one collection that are carried out at once in this process; further ones wait. Unset: four fifths of ' +
      '`JETTY_SANDBOXES`, rounded up.',
    example: '2',
    schema: wholeNumber(1, 1_000),
  }),
  sandboxUid: setting({
    variable: 'JETTY_SANDBOX_UID',
    description: 'First of the user ids that sandboxes run under where the server is root, one for each at once.',
    default: '64000',
    example: '200000',
    schema: wholeNumber(1_000, 2_000_000_000),
  }),
  snapshots: setting({
    variable: 'JETTY_SNAPSHOTS',
    description: 'Images that snapshots stand for, where Docker or Podman runs them: name=image, comma separated.',
    default: '',
    example: 'prism-playwright=ghcr.io/acme/playwright:1.50',
    schema: images(),
  }),
  sandboxImages: setting({
    variable: 'JETTY_SANDBOX_IMAGES',
    description:
      'Images that runbooks may name, where Docker or Podman runs them: comma separated, with * for anything in a part of a ' +
      'name; without a tag all of its tags; none: no image, snapshots alone. Who may start runs makes the engine ask ' +
      'any registry otherwise: set it on a server that several people share.',
    default: '*',
    example: 'ghcr.io/acme/*,debian:12*',
    schema: reading('be a comma separated list of names of images, with * for anything, or none', readImagePatterns),
  }),
  sandboxPids: setting({
    variable: 'JETTY_SANDBOX_PIDS',
    description: 'Processes and threads of one sandbox.',
    default: '1024',
    example: '512',
    schema: wholeNumber(16, 1_000_000),
  }),
  sandboxDiskBytes: setting({
    variable: 'JETTY_SANDBOX_DISK_BYTES',
    description: 'What one sandbox may write into /app and its home folder.',
    default: '8GiB',
    example: '2GiB',
    schema: byteCount(),
  }),
  sandboxFiles: setting({
    variable: 'JETTY_SANDBOX_FILES',
    description: 'Files and folders that one sandbox may have in /app and its home folder.',
    default: '500000',
    example: '50000',
    schema: wholeNumber(100, 100_000_000),
  }),
  sandboxOutputBytes: setting({
    variable: 'JETTY_SANDBOX_OUTPUT_BYTES',
    description: 'What an agent may print; it is kept as its log.',
    default: '64MiB',
    example: '16MiB',
    schema: byteCount(),
  }),
  runbookFiles: setting({
    variable: 'JETTY_RUNBOOK_FILES',
    description: 'Result files that are kept of one runbook; what is beyond is named in a warning.',
    default: '5000',
    example: '500',
    schema: wholeNumber(1, 100_000),
  }),
  runbookFileBytes: setting({
    variable: 'JETTY_RUNBOOK_FILE_BYTES',
    description: 'What the result files of one runbook may come to.',
    default: '2GiB',
    example: '200MiB',
    schema: byteCount(),
  }),
  runbookInputBytes: setting({
    variable: 'JETTY_RUNBOOK_INPUT_BYTES',
    description: 'What the inputs of one runbook may come to, archives unpacked.',
    default: '2GiB',
    example: '200MiB',
    schema: byteCount(),
  }),
  runbookIdleSeconds: setting({
    variable: 'JETTY_RUNBOOK_IDLE_SECONDS',
    description: 'How long an agent may neither print anything nor send or receive anything.',
    default: '300',
    example: '900',
    schema: seconds(1),
  }),
  runbookCalls: setting({
    variable: 'JETTY_RUNBOOK_CALLS',
    description: 'Calls of models that one runbook may make.',
    default: '1000',
    example: '200',
    schema: wholeNumber(1, 1_000_000),
  }),
  runbookTokens: setting({
    variable: 'JETTY_RUNBOOK_TOKENS',
    description: 'Tokens that the calls of one runbook may come to, those read from caches included.',
    default: '50000000',
    example: '5000000',
    schema: wholeNumber(1_000, 1_000_000_000_000),
  }),
  runbookUsd: setting({
    variable: 'JETTY_RUNBOOK_USD',
    description: 'US dollars that the calls of one runbook may cost. Unset: no limit of its own.',
    example: '5',
    schema: dollars(),
  }),
  runbookEvents: setting({
    variable: 'JETTY_RUNBOOK_EVENTS',
    description: 'Events of one runbook that are kept on its trajectory; the log of the agent has all.',
    default: '20000',
    example: '2000',
    schema: wholeNumber(100, 10_000_000),
  }),
}
