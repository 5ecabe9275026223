import { baseUrl, byteCount, folder, reading, seconds, setting, wholeNumber } from './setting.ts'

const label = /^[A-Za-z0-9][A-Za-z0-9._/:=-]{0,62}$/
const mostLabels = 8

const labelList = (value: string): string[] | undefined => {
  const labels = [...new Set(value.split(',').map((one) => one.trim()))]
  return labels.length <= mostLabels && labels.every((one) => label.test(one)) ? labels : undefined
}

/** Labels of the process, activities of your own, and limits of a run's steps and of its child runs. */
export const runSettings = {
  labels: setting({
    variable: 'JETTY_LABELS',
    description:
      'Labels of this process, at most 8, separated by commas. Runs that ask for labels, with runs_on in a step or ' +
      'server_labels of their collection, are executed by processes that have all of them.',
    example: 'gpu,eu',
    schema: reading('be at most 8 labels of letters, digits or . _ / : = -, separated by commas', labelList),
  }),
  activitiesDir: setting({
    variable: 'JETTY_ACTIVITIES_DIR',
    description:
      'Folder of modules that declare activities of your own. They execute in the process of the server, with all that ' +
      'it may do. Every process of an installation needs the same modules.',
    example: '/etc/jetty/activities',
    schema: folder(),
  }),
  parallelSteps: setting({
    variable: 'JETTY_PARALLEL_STEPS',
    description: 'Steps of one run that execute in parallel, if its workflow says so.',
    default: '16',
    example: '4',
    schema: wholeNumber(1, 1_000),
  }),
  stepAttempts: setting({
    variable: 'JETTY_STEP_ATTEMPTS',
    description: 'Largest max_attempts in the options of a step.',
    default: '20',
    example: '5',
    schema: wholeNumber(1, 1_000),
  }),
  loopTurns: setting({
    variable: 'JETTY_LOOP_TURNS',
    description: 'Iterations of one loop in a run.',
    default: '1000',
    example: '100',
    schema: wholeNumber(1, 100_000),
  }),
  runSearchMs: setting({
    variable: 'JETTY_RUN_SEARCH_MS',
    description:
      'Milliseconds that one request for a list of runs goes on to look for runs that fit its filters, where no index ' +
      'decides them. Each request examines at least one part of the runs, and says how far it looked.',
    default: '500',
    example: '2000',
    schema: wholeNumber(0, 60_000),
  }),
  sequenceNumbers: setting({
    variable: 'JETTY_SEQUENCE_NUMBERS',
    description: 'Numbers that one number_sequence_generator may return.',
    default: '100000',
    example: '10000',
    schema: wholeNumber(1, 10_000_000),
  }),
  transformSeconds: setting({
    variable: 'JETTY_TRANSFORM_SECONDS',
    description: 'Longest time of one transform, parse or render.',
    default: '10',
    example: '30',
    schema: seconds(1),
  }),
  transformMemoryBytes: setting({
    variable: 'JETTY_TRANSFORM_MEMORY_BYTES',
    description: 'Memory of a process that transforms, parses or renders; it is ended above that. Two work at once.',
    default: '512MiB',
    example: '1GiB',
    schema: byteCount(),
  }),
  transformInputBytes: setting({
    variable: 'JETTY_TRANSFORM_INPUT_BYTES',
    description: 'Largest input of one transform, parse or render, and largest list that is reshaped.',
    default: '32MiB',
    example: '64MiB',
    schema: byteCount(),
  }),
  checkSeconds: setting({
    variable: 'JETTY_CHECK_SECONDS',
    description:
      'Time for reading the expressions of a definition when it is checked, waiting for a process included. Steps ' +
      'whose expressions were not read by then are named in warnings.',
    default: '5',
    example: '10',
    schema: seconds(1),
  }),
  sqlSeconds: setting({
    variable: 'JETTY_SQL_SECONDS',
    description: 'Largest query_timeout_sec of a sql step.',
    default: '600',
    example: '3600',
    schema: seconds(1),
  }),
  sqlRows: setting({
    variable: 'JETTY_SQL_ROWS',
    description: 'Largest max_rows of a sql step.',
    default: '1000000',
    example: '100000',
    schema: wholeNumber(1, 100_000_000),
  }),
  sqlBytes: setting({
    variable: 'JETTY_SQL_BYTES',
    description: 'Largest max_bytes of a sql step.',
    default: '256MiB',
    example: '1GiB',
    schema: byteCount(),
  }),
  maxExperimentRuns: setting({
    variable: 'JETTY_MAX_EXPERIMENT_RUNS',
    description: 'Maximum number of runs that one experiment executes, repetitions included.',
    default: '1000',
    example: '5000',
    schema: wholeNumber(1, 100_000),
  }),
  maxFanOut: setting({
    variable: 'JETTY_MAX_FANOUT',
    description: 'Maximum number of runs that a step, a batch or an evaluation may start.',
    default: '10000',
    example: '100000',
    schema: wholeNumber(1, 1_000_000),
  }),
  maxDatasetItems: setting({
    variable: 'JETTY_MAX_DATASET_ITEMS',
    description: 'Maximum number of items of one dataset.',
    default: '100000',
    example: '1000000',
    schema: wholeNumber(1, 10_000_000),
  }),
  maxRunDepth: setting({
    variable: 'JETTY_MAX_RUN_DEPTH',
    description: 'Levels of child runs below a run.',
    default: '5',
    example: '2',
    schema: wholeNumber(0, 100),
  }),
  maxRunRecursion: setting({
    variable: 'JETTY_MAX_RUN_RECURSION',
    description:
      'How often a task may occur among the ancestors of its own run. 1: a task may start itself, and the child may ' +
      'not.',
    default: '2',
    example: '1',
    schema: wholeNumber(0, 100),
  }),
  maxOpenBelow: setting({
    variable: 'JETTY_MAX_OPEN_RUNS_BELOW',
    description: 'Open runs below one root run, at all levels. Steps wait for room; a step that cannot wait fails.',
    default: '10000',
    example: '1000',
    schema: wholeNumber(1, 10_000_000),
  }),
  maxOpenStarted: setting({
    variable: 'JETTY_MAX_OPEN_RUNS_STARTED',
    description: 'Open child runs of one collection. Steps wait for room; a step that cannot wait fails.',
    default: '100000',
    example: '10000',
    schema: wholeNumber(1, 10_000_000),
  }),
}

/** Limits of events that are sent to runs. */
export const eventSettings = {
  eventBytes: setting({
    variable: 'JETTY_EVENT_BYTES',
    description: 'Largest payload of an event that is sent to a run.',
    default: '256KiB',
    example: '1MiB',
    schema: byteCount(),
  }),
  eventKeepSeconds: setting({
    variable: 'JETTY_EVENT_KEEP_SECONDS',
    description: 'How long an event is kept while no run waits for it.',
    default: '604800',
    example: '86400',
    schema: seconds(),
  }),
  keptEvents: setting({
    variable: 'JETTY_KEPT_EVENTS',
    description: 'Events that a collection keeps while no run waits for them.',
    default: '10000',
    example: '1000',
    schema: wholeNumber(0, 1_000_000),
  }),
  keptEventBytes: setting({
    variable: 'JETTY_KEPT_EVENT_BYTES',
    description: 'Bytes of the payloads of these events.',
    default: '64MiB',
    example: '256MiB',
    schema: byteCount(),
  }),
}

/** Limits of what hooks receive. */
export const hookSettings = {
  hooksPerCollection: setting({
    variable: 'JETTY_HOOKS',
    description: 'Hooks that a collection may have.',
    default: '1000',
    example: '100',
    schema: wholeNumber(1, 100_000),
  }),
  hookBytes: setting({
    variable: 'JETTY_HOOK_BYTES',
    description: 'Largest body that a hook receives.',
    default: '1MiB',
    example: '25MiB',
    schema: byteCount(),
  }),
  hookWaiting: setting({
    variable: 'JETTY_HOOK_WAITING',
    description: 'Deliveries of one hook that wait for their run to start; further ones get 503, and are not stored.',
    default: '10000',
    example: '100000',
    schema: wholeNumber(1, 1_000_000),
  }),
  hookKeepDays: setting({
    variable: 'JETTY_HOOK_KEEP_DAYS',
    description:
      'Days that deliveries of hooks are kept, with their payloads. A delivery that is sent again later starts another run.',
    default: '30',
    example: '90',
    schema: wholeNumber(1, 3650),
  }),
  hookKept: setting({
    variable: 'JETTY_HOOK_KEPT',
    description: 'Deliveries of one hook that are kept; the oldest are removed first.',
    default: '10000',
    example: '100000',
    schema: wholeNumber(1, 10_000_000),
  }),
  hookKeptBytes: setting({
    variable: 'JETTY_HOOK_KEPT_BYTES',
    description:
      'Payloads of one hook that are kept: the oldest deliveries are removed first. While payloads of this size wait for their run, further deliveries get 503.',
    default: '256MiB',
    example: '1GiB',
    schema: byteCount(),
  }),
}

/** Settings of the activity `script`: how many run at once, and the limits of each. */
export const scriptSettings = {
  scripts: setting({
    variable: 'JETTY_SCRIPTS',
    description: 'Scripts that this process runs at once; further ones wait, and hold no slot meanwhile.',
    default: '8',
    example: '2',
    schema: wholeNumber(1, 1_000),
  }),
  scriptsPerCollection: setting({
    variable: 'JETTY_SCRIPTS_PER_COLLECTION',
    description:
      'Scripts of one collection, or of all that a key has made, that this process runs at once. Unset: four fifths of ' +
      '`JETTY_SCRIPTS`, rounded up.',
    example: '2',
    schema: wholeNumber(1, 1_000),
  }),
  scriptSeconds: setting({
    variable: 'JETTY_SCRIPT_SECONDS',
    description: 'Time limit of a script whose step has no `timeout_sec`.',
    default: '60',
    example: '300',
    schema: seconds(1),
  }),
  scriptCpus: setting({
    variable: 'JETTY_SCRIPT_CPUS',
    description: 'Processors that one script may use.',
    default: '1',
    example: '2',
    schema: wholeNumber(1, 1_000),
  }),
  scriptMemoryBytes: setting({
    variable: 'JETTY_SCRIPT_MEMORY_BYTES',
    description: 'Memory of a script with everything that it starts.',
    default: '512MiB',
    example: '2GiB',
    schema: byteCount(),
  }),
  scriptPids: setting({
    variable: 'JETTY_SCRIPT_PIDS',
    description: 'Maximum number of processes and threads of a script.',
    default: '128',
    example: '512',
    schema: wholeNumber(16, 100_000),
  }),
  scriptDiskBytes: setting({
    variable: 'JETTY_SCRIPT_DISK_BYTES',
    description: 'Bytes that a script may have in its folders, with the files that it is given.',
    default: '1GiB',
    example: '4GiB',
    schema: byteCount(),
  }),
  scriptOutputBytes: setting({
    variable: 'JETTY_SCRIPT_OUTPUT_BYTES',
    description: 'Bytes that a script may print.',
    default: '8MiB',
    example: '64MiB',
    schema: byteCount(),
  }),
  scriptFiles: setting({
    variable: 'JETTY_SCRIPT_FILES',
    description: 'Files that are kept of one script; a warning names the others.',
    default: '100',
    example: '1000',
    schema: wholeNumber(1, 100_000),
  }),
  scriptFileBytes: setting({
    variable: 'JETTY_SCRIPT_FILE_BYTES',
    description: 'Size of all files that are kept of one script.',
    default: '256MiB',
    example: '1GiB',
    schema: byteCount(),
  }),
  scriptPackagesDir: setting({
    variable: 'JETTY_SCRIPT_PACKAGES_DIR',
    description: 'Folder for installed packages of scripts. Default: script-packages, in the data folder.',
    example: '/var/cache/jetty-packages',
    schema: folder(),
  }),
  scriptPackageBytes: setting({
    variable: 'JETTY_SCRIPT_PACKAGE_BYTES',
    description:
      'Size of that folder; beyond, packages are removed that no script has used for a day, the oldest first.',
    default: '5GiB',
    example: '20GiB',
    schema: byteCount(),
  }),
  npmRegistry: setting({
    variable: 'JETTY_NPM_REGISTRY',
    description: 'Registry of the npm packages of scripts. It may have a private address.',
    default: 'https://registry.npmjs.org',
    example: 'https://npm.example.com',
    schema: baseUrl(),
  }),
  pypiIndex: setting({
    variable: 'JETTY_PYPI_INDEX',
    description: 'Index of the Python packages of scripts. It may have a private address.',
    default: 'https://pypi.org/simple',
    example: 'https://pypi.example.com/simple',
    schema: baseUrl(),
  }),
}

/** Settings of workers: programs on other machines that carry out activities. */
export const workerSettings = {
  workerLeaseSeconds: setting({
    variable: 'JETTY_WORKER_LEASE_SECONDS',
    description: 'A job of a worker without a heartbeat for this long goes to another worker.',
    default: '30',
    example: '120',
    schema: seconds(1),
  }),
  workerLosses: setting({
    variable: 'JETTY_WORKER_LOSSES',
    description: 'A job fails when this many workers were lost while they carried it out.',
    default: '10',
    example: '3',
    schema: wholeNumber(1, 1_000),
  }),
  workerQueue: setting({
    variable: 'JETTY_WORKER_QUEUE',
    description: 'Jobs of one collection that may wait for workers; a step that would queue another one fails.',
    default: '10000',
    example: '1000',
    schema: wholeNumber(1, 1_000_000),
  }),
  workerParametersBytes: setting({
    variable: 'JETTY_WORKER_PARAMETERS_BYTES',
    description: 'Maximum size of the parameters of a job for a worker, as JSON.',
    default: '4MiB',
    example: '1MiB',
    schema: byteCount(),
  }),
  maxWorkers: setting({
    variable: 'JETTY_MAX_WORKERS',
    description: 'Workers that one key may have registered.',
    default: '5000',
    example: '100',
    schema: wholeNumber(1, 1_000_000),
  }),
}
