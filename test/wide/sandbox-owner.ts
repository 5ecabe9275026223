import { spawn } from 'node:child_process'
import { once } from 'node:events'

/** A process that has a sandbox of Podman in which a script runs, and then says so. */
export const startOwner = async (work: { socket: string; image: string; parent: string; script: string }) => {
  const from = (path: string) => JSON.stringify(new URL(path, import.meta.url).href)
  const program = `
    const { containerProvider } = await import(${from('../../src/sandbox/isolation/containers/containers.ts')})
    const { createLogger } = await import(${from('../../src/lib/log.ts')})
    const { smallLimits, runIn } = await import(${from('../sandboxes/ground.ts')})
    const { socket, image, parent, script } = JSON.parse(process.argv[1])
    const log = createLogger({ level: 'error' })
    const provider = containerProvider({ name: 'podman', socket, parent, firstUid: 64000, defaultImage: image, log })
    const sandbox = await provider.create({ id: 'of-another-' + process.pid, limits: smallLimits })
    await runIn(sandbox, 'echo up; ' + script, { wallMs: 600000, onOutput: () => console.log('up') })`
  const argv = ['--import', 'tsx', '--input-type=module', '-e', program, JSON.stringify(work)]
  const child = spawn(process.execPath, argv, { stdio: ['ignore', 'pipe', 'inherit'] })
  const gone = once(child, 'exit')
  await Promise.race([once(child.stdout, 'data'), gone.then(() => Promise.reject(new Error('it has ended')))])
  return {
    /** As a crash does. */
    async kill(): Promise<void> {
      child.kill('SIGKILL')
      await gone
    },
  }
}
