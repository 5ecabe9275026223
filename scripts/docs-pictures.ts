import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { readPng, writeAnimatedPng } from './animated-png.ts'

/** Pictures of the documentation, and the shots that they are made of. */
const pictures: Record<string, string> = {
  collection: 'overview',
  runs: 'runs-peek',
  run: 'run-failed-retry',
  definition: 'task-definition-problem',
  compare: 'open-differences',
}
const folder = 'docs/images'

/** Copies shots into the documentation, with 256 colours: they stay in the repository for ever. */
const main = async (): Promise<void> => {
  await mkdir(folder, { recursive: true })
  for (const [name, shot] of Object.entries(pictures)) {
    for (const scheme of ['light', 'dark']) {
      const picture = readPng(await readFile(join('shots', scheme, 'desktop', `${shot}.png`)))
      const small = writeAnimatedPng([{ picture, ms: 0 }])
      await writeFile(join(folder, `${name}-${scheme}.png`), small)
      process.stdout.write(`${name}-${scheme}.png: ${Math.round(small.length / 1024)} KB\n`)
    }
  }
}

await main()
