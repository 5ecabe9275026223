import { mkdtempSync, readdirSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { makeRunFolder } from './run-folder.ts'

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
