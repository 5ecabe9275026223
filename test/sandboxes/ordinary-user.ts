// A process of an ordinary user that makes bubblewrap sandboxes: ordinary-user.ts PARENT. Prints what came of each as JSON.

import { readdirSync } from 'node:fs'
import { createServer } from 'node:http'
import { join } from 'node:path'
import { createLogger } from '../../src/lib/log.ts'
import { bubblewrapProvider } from '../../src/sandbox/isolation/bubblewrap/bubblewrap.ts'
import { livingWith, newId, runIn, runOnce, smallLimits, uniqueSeconds } from './ground.ts'

const parent = process.argv[2] ?? ''
const provider = bubblewrapProvider({ parent, firstUid: 64_000, log: createLogger({ level: 'silent' }) })

const main = async (): Promise<void> => {
  const { works, found, remedy } = await provider.probe()

  const server = createServer((request, response) => response.end(`answer to ${request.url}`))
  const sandbox = await provider.create({ id: newId(), limits: smallLimits })
  await new Promise<void>((resolve) => server.listen(join(sandbox.folders.gateway, 'gateway.sock'), resolve))
  await sandbox.put(
    '/app/code',
    'whoami; touch results/made; cat /etc/shadow; kill -9 1; ls -A /root /home /run; cat; exit 3',
    0o755,
  )
  const asking = 'require("http").get("http://127.0.0.1:3128/x", (answer) => answer.pipe(process.stdout))'
  const script = 'sh code 2> /dev/null; echo " $?"; node -e "$ASK"'
  const ran = await runIn(sandbox, script, { stdin: 'given', env: { ASK: asking }, network: 'gateway' })
  const made = readdirSync(join(sandbox.folders.app, 'results'))
  server.closeAllConnections()
  server.close()
  await sandbox.destroy()

  const seconds = uniqueSeconds()
  const timed = await runOnce(provider, `setsid sleep ${seconds} & sleep ${seconds}`, { wallMs: 500 })
  const full = await runOnce(provider, 'head -c 40000000 /dev/zero | split -b 8000000; exit 0')
  const forked = await runOnce(provider, 'f() { f | f & }; f; sleep 0.3; exit 3', { wallMs: 5_000 })

  const ended = [ran, timed, full].map(({ reason }) => reason)
  const living = livingWith(seconds).length
  const bomb = ['exit', 'timed_out'].includes(forked.reason)
  const said = { works, found, remedy, stdout: ran.stdout, made, ended, bomb, living, left: readdirSync(parent) }
  console.log(JSON.stringify(said))
}

void main()
