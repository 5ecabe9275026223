import { existsSync } from 'node:fs'
import { type Browser, type BrowserServer, chromium } from 'playwright-core'

const usual = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome']

const chromiumPath = (): string | undefined => [process.env.CHROMIUM ?? usual].flat().find((path) => existsSync(path))

/** Whether there is a browser for tests. */
export const hasChromium = (): boolean => chromiumPath() !== undefined

/** Path of the browser for tests; throws with what to do where there is none. */
const findChromium = (): string => {
  const named = process.env.CHROMIUM
  const found = chromiumPath()
  if (found !== undefined) return found
  throw new Error(
    named === undefined
      ? 'The tests of the pages need Chromium: `sudo apt install chromium`, or set CHROMIUM to the path of one.'
      : `CHROMIUM is ${named}, and there is no such file.`,
  )
}

/** It asks nothing of any server but the one under test. */
const options = () => ({
  executablePath: findChromium(),
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
  ],
})

/** Starts a browser that answers at an address. */
export const startChromium = (): Promise<BrowserServer> => chromium.launchServer(options())

/** Starts a browser that ends with this process, whose signals stay its own. */
export const openChromium = (): Promise<Browser> =>
  chromium.launch({ ...options(), handleSIGINT: false, handleSIGTERM: false, handleSIGHUP: false })
