import { spawnSync } from 'node:child_process'
import { expect, test } from 'vitest'
import { launchScript, launchShell } from './launch-script.ts'

const limits = { memoryBytes: 1, pids: 1, cpus: 1, diskBytes: 1024 ** 2, diskFiles: 1, outputBytes: 1 }

/** Runs a script as an ordinary user who may have 50 processes and no more. */
const runAsOrdinaryUser = (script: string) => {
  const ordinary =
    process.getuid?.() === 0
      ? ['setpriv', '--reuid', '64999', '--regid', '64999', '--clear-groups', '--inh-caps=-all', '--']
      : []
  const [file = '', ...args] = [...ordinary, ...launchShell, 'ulimit -u 50; exec "$@"', 'sh', ...launchShell, script]
  const { status, stdout, stderr } = spawnSync(file, args, { encoding: 'utf8', cwd: '/' })
  return { status, stdout, stderr }
}

test.each([20, 500])('of processes a user may have %i, or fewer where that is his limit already', (userProcesses) => {
  const script = launchScript({ limits, joins: [], mounts: [], userProcesses, argv: [...launchShell, 'ulimit -u'] })
  expect(runAsOrdinaryUser(script)).toEqual({ status: 0, stdout: `${Math.min(userProcesses, 50)}\n`, stderr: '' })
})
