import { readImagePatterns } from '../files/image-names.ts'
import { byteCount, folder, oneOf, reading, seconds, setting, text, wholeNumber } from './setting.ts'

/** `name=image` pairs, comma separated. */
const images = () =>
  reading('be a comma-separated list of name=image', (value) => {
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
      'What coding agents and scripts run in. With `process` nothing is isolated: an agent is an ordinary process with ' +
      'all permissions of this user, and every run says so; scripts do not run.',
    default: 'bubblewrap',
    example: 'podman',
    schema: oneOf(['bubblewrap', 'docker', 'podman', 'process']),
  }),
  sandboxSocket: setting({
    variable: 'JETTY_SANDBOX_SOCKET',
    description: 'Socket of Docker or Podman. Default: the usual one of the chosen engine.',
    example: '/run/user/1000/podman/podman.sock',
    schema: text('be the path of a socket', /^\//),
  }),
  sandboxDir: setting({
    variable: 'JETTY_SANDBOX_DIR',
    description: 'Folder for sandboxes. Default: sandboxes, in the data folder.',
    example: '/mnt/scratch/jetty',
    schema: folder(),
  }),
  agentsDir: setting({
    variable: 'JETTY_AGENTS_DIR',
    description: 'Folder for the programs of coding agents. Default: agents, in the data folder.',
    example: '/opt/jetty-agents',
    schema: folder(),
  }),
  sandboxes: setting({
    variable: 'JETTY_SANDBOXES',
    description: 'Runbooks that this process carries out at once; further ones wait.',
    default: '10',
    example: '4',
    schema: wholeNumber(1, 1_000),
  }),
  sandboxesPerCollection: setting({
    variable: 'JETTY_SANDBOXES_PER_COLLECTION',
    description:
      'Runbooks of one collection, or of all that a key has made, that this process carries out at once; further ones ' +
      'wait. Unset: four fifths of ' +
      '`JETTY_SANDBOXES`, rounded up.',
    example: '2',
    schema: wholeNumber(1, 1_000),
  }),
  sandboxUid: setting({
    variable: 'JETTY_SANDBOX_UID',
    description: 'First of the user ids for sandboxes, one for each, if the server runs as root.',
    default: '64000',
    example: '200000',
    schema: wholeNumber(1_000, 2_000_000_000),
  }),
  snapshots: setting({
    variable: 'JETTY_SNAPSHOTS',
    description: 'Images for snapshots under Docker or Podman: name=image, comma separated.',
    default: '',
    example: 'prism-playwright=ghcr.io/acme/playwright:1.50',
    schema: images(),
  }),
  sandboxImages: setting({
    variable: 'JETTY_SANDBOX_IMAGES',
    description:
      'Images that runbooks may name under Docker or Podman: comma separated, * matches anything in one part of a ' +
      'name, a name without a tag matches all tags; none: only snapshots. Set it on a shared server: otherwise ' +
      'everybody who may start runs can make the engine fetch from any registry.',
    default: '*',
    example: 'ghcr.io/acme/*,debian:12*',
    schema: reading('be a comma-separated list of image names, with * for anything, or none', readImagePatterns),
  }),
  sandboxPids: setting({
    variable: 'JETTY_SANDBOX_PIDS',
    description: 'Maximum number of processes and threads of a sandbox.',
    default: '1024',
    example: '512',
    schema: wholeNumber(16, 1_000_000),
  }),
  sandboxDiskBytes: setting({
    variable: 'JETTY_SANDBOX_DISK_BYTES',
    description: 'Bytes that one sandbox may write into /app and its home folder.',
    default: '8GiB',
    example: '2GiB',
    schema: byteCount(),
  }),
  sandboxFiles: setting({
    variable: 'JETTY_SANDBOX_FILES',
    description: 'Files and folders of one sandbox in /app and its home folder.',
    default: '500000',
    example: '50000',
    schema: wholeNumber(100, 100_000_000),
  }),
  sandboxOutputBytes: setting({
    variable: 'JETTY_SANDBOX_OUTPUT_BYTES',
    description: 'Output of an agent, which is kept as its log.',
    default: '64MiB',
    example: '16MiB',
    schema: byteCount(),
  }),
  runbookFiles: setting({
    variable: 'JETTY_RUNBOOK_FILES',
    description: 'Result files that are kept of one runbook; a warning names the others.',
    default: '5000',
    example: '500',
    schema: wholeNumber(1, 100_000),
  }),
  runbookFileBytes: setting({
    variable: 'JETTY_RUNBOOK_FILE_BYTES',
    description: 'Size of all result files of one runbook.',
    default: '2GiB',
    example: '200MiB',
    schema: byteCount(),
  }),
  runbookInputBytes: setting({
    variable: 'JETTY_RUNBOOK_INPUT_BYTES',
    description: 'Size of all inputs of one runbook, with archives unpacked.',
    default: '2GiB',
    example: '200MiB',
    schema: byteCount(),
  }),
  runbookCharacters: setting({
    variable: 'JETTY_RUNBOOK_CHARACTERS',
    description:
      'Maximum characters of a runbook. It is read in one piece: with the default, others wait for 50 ms at most.',
    default: '524288',
    example: '1000000',
    schema: wholeNumber(1_000, 16_000_000),
  }),
  runbookLines: setting({
    variable: 'JETTY_RUNBOOK_LINES',
    description: 'Maximum lines of a runbook. It is read in one piece, as for JETTY_RUNBOOK_CHARACTERS.',
    default: '5000',
    example: '10000',
    schema: wholeNumber(10, 1_000_000),
  }),
  runbookIdleSeconds: setting({
    variable: 'JETTY_RUNBOOK_IDLE_SECONDS',
    description: 'Timeout for an agent that neither prints, sends nor receives anything.',
    default: '300',
    example: '900',
    schema: seconds(1),
  }),
  runbookCalls: setting({
    variable: 'JETTY_RUNBOOK_CALLS',
    description: 'Model calls of one runbook.',
    default: '1000',
    example: '200',
    schema: wholeNumber(1, 1_000_000),
  }),
  runbookTokens: setting({
    variable: 'JETTY_RUNBOOK_TOKENS',
    description: 'Tokens of all model calls of one runbook, cached ones included.',
    default: '50000000',
    example: '5000000',
    schema: wholeNumber(1_000, 1_000_000_000_000),
  }),
  runbookUsd: setting({
    variable: 'JETTY_RUNBOOK_USD',
    description: 'Cost of all model calls of one runbook, in US dollars. Unset: no limit.',
    example: '5',
    schema: dollars(),
  }),
  runbookEvents: setting({
    variable: 'JETTY_RUNBOOK_EVENTS',
    description: 'Maximum number of events of a runbook in its trajectory; the log of the agent contains all.',
    default: '20000',
    example: '2000',
    schema: wholeNumber(100, 10_000_000),
  }),
}
