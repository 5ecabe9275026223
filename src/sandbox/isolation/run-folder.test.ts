import { execFileSync } from 'node:child_process'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it, test } from 'vitest'
import { makeRunFolder, removeTree } from './run-folder.ts'

const unavailable = (message: string) => ({
  code: 'sandbox_unavailable',
  message: expect.stringContaining(message),
  hint: expect.stringContaining('JETTY_SANDBOX_DIR'),
})

it('one that cannot be made says where and what to do, and leaves nothing behind', async () => {
  const parent = mkdtempSync(join(tmpdir(), 'run-folders-'))
  const nobody = -5 // stands for whatever the disk refuses when half of it is made
  await expect(makeRunFolder({ parent, id: 'half', uid: nobody })).rejects.toMatchObject(
    unavailable(`Sandboxes cannot be created in ${parent}`),
  )
  expect(readdirSync(parent)).toEqual([])
  const file = join(parent, 'file')
  writeFileSync(file, '')
  await expect(makeRunFolder({ parent: file, id: 'none' })).rejects.toMatchObject(unavailable(file))
})

it('what cannot be put into it says which', async () => {
  const parent = mkdtempSync(join(tmpdir(), 'run-folders-'))
  const folder = await makeRunFolder({ parent, id: 'one' })
  await folder.put('/app/a', 'a file')
  await expect(folder.put('/app/a/b', 'below it')).rejects.toMatchObject(unavailable('/app/a/b cannot be put'))
  await folder.remove()
  expect(readdirSync(parent)).toEqual([])
})

test('removes what paths are too short for, what is closed, and nothing that a link leads to', async () => {
  const outside = mkdtempSync(join(tmpdir(), 'outside-'))
  writeFileSync(join(outside, 'kept'), 'kept')
  chmodSync(join(outside, 'kept'), 0o400)
  const folder = mkdtempSync(join(tmpdir(), 'tree-'))
  const deep = 'cd "$1"; for i in $(seq 40); do d=$(printf "d%.0s" $(seq 200)); mkdir $d; cd -P $d; done; touch f'
  execFileSync('sh', ['-c', deep, 'sh', folder])
  symlinkSync(outside, join(folder, 'link'))
  mkdirSync(join(folder, 'closed'))
  writeFileSync(join(folder, 'closed', 'file'), '')
  chmodSync(join(folder, 'closed'), 0)
  await removeTree(folder)
  expect(existsSync(folder)).toBe(false)
  expect(readFileSync(join(outside, 'kept'), 'utf8')).toBe('kept')
  rmSync(outside, { recursive: true })
  await removeTree(folder) // gone already
})
