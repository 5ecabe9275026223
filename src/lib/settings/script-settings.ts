import { baseUrl, byteCount, folder, seconds, setting, wholeNumber } from './setting.ts'

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
