// A process that tries what an escape from an expression would try, and tells what came of it.
import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { getPriority } from 'node:os'

const attempt = async (work) => {
  try {
    return String(await work())
  } catch (error) {
    return `refused: ${error.code ?? error.message}`
  }
}

const attempts = {
  read: ({ secret }) => readFileSync(secret, 'utf8'),
  write: ({ secret }) => writeFileSync(secret, 'overwritten'),
  run: () => execFileSync('/bin/sh', ['-c', 'echo ran']),
  kill: ({ pid }) => process.kill(pid, 0),
  connect: ({ port }) =>
    new Promise((resolve, reject) => {
      connect(port, '127.0.0.1')
        .on('connect', () => resolve('connected'))
        .on('error', reject)
    }),
  priority: () => getPriority(),
  environment: () =>
    Object.keys(process.env)
      .filter((name) => name !== 'PWD')
      .join(),
}

process.on('message', async (asked) => {
  const told = {}
  for (const [name, work] of Object.entries(attempts)) told[name] = await attempt(() => work(asked))
  process.send(told)
})
process.on('disconnect', () => process.exit())
