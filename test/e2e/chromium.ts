import { existsSync } from 'node:fs'
import { type Browser, type BrowserServer, chromium } from 'playwright-core'

const usual = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome']
/** Chromium without what only people see. */
const bare = '/usr/lib/chromium/chromium-headless-shell'

const firstOf = (paths: string[]): string | undefined =>
  [process.env.CHROMIUM ?? paths].flat().find((path) => existsSync(path))

/** Whether there is a browser for tests. */
export const hasChromium = (): boolean => firstOf([bare, ...usual]) !== undefined

/** Path of the first browser that is there; throws with what to do where there is none. */
const findChromium = (paths: string[]): string => {
  const named = process.env.CHROMIUM
  const found = firstOf(paths)
  if (found !== undefined) return found
  throw new Error(
    named === undefined
      ? 'The tests of the pages need Chromium: `sudo apt install chromium`, or set CHROMIUM to the path of one.'
      : `CHROMIUM is ${named}, and there is no such file.`,
  )
}

/** It asks nothing of any server but the one under test. */
const options = (paths: string[], ...more: string[]) => ({
  executablePath: findChromium(paths),
  args: [
    ...(process.getuid?.() === 0 ? ['--no-sandbox'] : []),
    '--disable-gpu',
    '--disable-quic',
    '--no-first-run',
    '--disable-background-networking',
    '--disable-component-update',
    '--disable-sync',
    '--force-device-scale-factor=1',
    '--font-render-hinting=none',
    ...more,
  ],
})

/** Starts a browser as people have it, which answers at an address. */
export const startChromium = (): Promise<BrowserServer> => chromium.launchServer(options([...usual, bare]))

/**
 * A page is left after a second: to optimize its code, to collect its garbage by several threads, or to do so before there
 * are 64 MB of new objects, does not pay.
 */
const shortLived = `--js-flags=${[
  ...['--no-opt', '--no-maglev', '--no-flush-bytecode'],
  ...['--single-threaded-gc', '--no-memory-reducer', '--min-semi-space-size=64', '--max-semi-space-size=64'],
].join(' ')}`

/**
 * Starts a browser for tests, which ends with this process, whose signals stay its own. It takes less than two thirds of the
 * CPU: what only people see is left out, and no process of its own draws.
 */
export const openChromium = (): Promise<Browser> =>
  chromium.launch({
    ...options([bare, ...usual], shortLived, '--in-process-gpu'),
    ...{ handleSIGINT: false, handleSIGTERM: false, handleSIGHUP: false },
  })
