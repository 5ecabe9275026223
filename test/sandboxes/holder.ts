// A process that makes sandboxes and is killed: holder.ts KIND PARENT COUNT SECONDS. Says `ready` before the first one, and
// `up` once something runs in each; what runs there is deaf to signals, and partly its own session.
import { createLogger } from '../../src/lib/log.ts'
import { bubblewrapProvider } from '../../src/sandbox/isolation/bubblewrap/bubblewrap.ts'
import { processProvider } from '../../src/sandbox/isolation/process.ts'
import { newId, runIn, smallLimits } from './ground.ts'

const [kind, parent = '', count, seconds] = process.argv.slice(2)
const log = createLogger({ level: 'error' })
const provider =
  kind === 'process' ? processProvider({ parent, log }) : bubblewrapProvider({ parent, firstUid: 64_000, log })

const hold = async (): Promise<void> => {
  console.log('ready')
  let up = 0
  for (let at = 0; at < Number(count); at++) {
    const sandbox = await provider.create({ id: newId(), limits: smallLimits })
    const script = `trap '' TERM HUP INT; setsid sleep ${seconds} & (setsid sleep ${seconds} &); echo up; sleep ${seconds}`
    void runIn(sandbox, script, {
      wallMs: 600_000,
      onOutput: () => void (++up === Number(count) && console.log('up')),
    })
  }
}

void hold()
