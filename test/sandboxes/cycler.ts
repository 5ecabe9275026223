// A process that makes sandboxes, uses them and takes them down, over and over, until it is killed: cycler.ts KIND PARENT
// SECONDS. Of what it runs some is cancelled, and some leaves processes of its own behind. Says `ready` before the first.
import { once } from 'node:events'
import { createServer } from 'node:http'
import { join } from 'node:path'
import { createLogger } from '../../src/lib/log.ts'
import { bubblewrapProvider } from '../../src/sandbox/isolation/bubblewrap/bubblewrap.ts'
import { processProvider } from '../../src/sandbox/isolation/process.ts'
import { newId, runIn, smallLimits } from './ground.ts'

const [kind, parent = '', seconds] = process.argv.slice(2)
const log = createLogger({ level: 'error' })
const provider =
  kind === 'process' ? processProvider({ parent, log }) : bubblewrapProvider({ parent, firstUid: 64_000, log })

const work = `(setsid sleep ${seconds} &); for n in 1 2 3; do mkdir -p results/$n; echo $n > results/$n/a; done`
const makeCopies = async function* () {
  for (let copy = 0; copy < 20; copy++) yield Buffer.alloc(10_000)
}

const cycle = async (): Promise<void> => {
  const sandbox = await provider.create({ id: newId(), limits: smallLimits })
  const gateway = createServer((_, response) => response.end())
  const socket = join(sandbox.folders.gateway, 'gateway.sock')
  await once(gateway.listen(socket), 'listening')
  await sandbox.own(socket)
  for (let file = 0; file < 5; file++) await sandbox.put(`/app/assets/${file}/copies`, makeCopies())
  const signal = AbortSignal.timeout(Math.floor(Math.random() * 600))
  await runIn(sandbox, Math.random() < 0.5 ? work : `${work}; sleep ${seconds}`, { network: 'gateway', signal })
  const check = await provider.create({ id: newId(), limits: smallLimits })
  const checked = runIn(check, 'sleep 0.05')
  if (Math.random() < 0.7) await checked
  await check.destroy()
  await checked
  gateway.closeAllConnections()
  gateway.close()
  await sandbox.destroy()
}

console.log('ready')
for (let worker = 0; worker < 3; worker++) {
  void (async () => {
    for (;;) await cycle()
  })()
}
