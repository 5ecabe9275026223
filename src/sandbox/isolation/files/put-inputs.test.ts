import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { zipArchive } from '../../../lib/files/zip.ts'
import type { FileSource } from '../../../model/file-source.ts'
import { makeRunFolder, type RunFolder } from '../run-folder.ts'
import { putInputs } from './put-inputs.ts'

let parent: string
let folder: RunFolder
beforeEach(async () => {
  parent = mkdtempSync(join(tmpdir(), 'inputs-'))
  folder = await makeRunFolder({ parent, id: 'one' })
})
afterEach(async () => {
  await folder.remove()
  rmSync(parent, { recursive: true })
})

const roomy = { bytes: 1024 ** 2, files: 100 }

const source = (name: string, body: string | Buffer, contentType = 'application/octet-stream'): FileSource => ({
  name,
  content_type: contentType,
  size: Buffer.byteLength(body),
  async *open() {
    yield Buffer.from(body as string)
  },
})

const archive = async (name: string, files: Record<string, string>): Promise<FileSource> => {
  const entries = Object.entries(files).map(([path, text]) => ({
    name: path,
    modified: new Date(0),
    open: async () => Readable.from([Buffer.from(text)]),
  }))
  return source(name, await buffer(await zipArchive(entries)), 'application/zip')
}

const put = (files: FileSource[], limits = roomy) => putInputs(folder, { id: '1f2e3d4c', files, limits })

const filesBelow = (name: string): string[] =>
  readdirSync(join(folder.folders.app, name), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(join(folder.folders.app, name).length + 1))
    .sort()
const textOf = (path: string) => readFileSync(join(folder.folders.app, path), 'utf8')

test('each input stands under its number and under its own name', async () => {
  const { inputs, warnings } = await put([
    source('case.json', '{}'),
    source('other/case.json', '{"b":1}'),
    source('../../../etc/passwd', 'x'),
    source('Makefile', 'all:'),
  ])
  expect(filesBelow('assets')).toEqual(['1f2e3d4c.00.json', '1f2e3d4c.01.json', '1f2e3d4c.02.bin', '1f2e3d4c.03.bin'])
  expect(filesBelow('uploads')).toEqual(['Makefile', 'case-1.json', 'case.json', 'passwd'])
  expect([textOf('assets/1f2e3d4c.01.json'), textOf('uploads/case-1.json')]).toEqual(['{"b":1}', '{"b":1}'])
  expect(inputs[1]).toEqual({ asset: '/app/assets/1f2e3d4c.01.json', upload: '/app/uploads/case-1.json' })
  expect(warnings).toEqual([])
})

test('archives are unpacked beside themselves, and a document that is one is not', async () => {
  const document = await archive('paper.docx', { 'word/document.xml': 'x' })
  const { inputs } = await put([await archive('data.ZIP', { 'a.csv': '1', 'deep/b.csv': '2' }), document])
  expect(filesBelow('assets')).toEqual(['1f2e3d4c.00.ZIP', '1f2e3d4c.01.docx', 'a.csv', 'deep/b.csv'])
  expect(filesBelow('uploads')).toEqual(['data.ZIP', 'paper.docx'])
  expect(inputs[0]?.unpacked).toEqual({ files: 2, folder: '/app/assets' })
  expect(inputs[1]?.unpacked).toBeUndefined()
  expect(textOf('assets/deep/b.csv')).toBe('2')
})

test('a second archive does not write over what the first one brought', async () => {
  const one = await archive('one.zip', { 'data.csv': '1', a: 'file' })
  const two = await archive('two.zip', { 'data.csv': '2', 'more.csv': '3' })
  const three = await archive('two.zip', { 'a/b': '4', two: 'x' })
  const { inputs, warnings } = await put([one, two, three])
  expect(filesBelow('assets').slice(3)).toEqual(
    ['a', 'data.csv', 'two-2/a/b', 'two-2/two', 'two/data.csv', 'two/more.csv'].sort(),
  )
  expect(textOf('assets/data.csv')).toBe('1')
  expect(inputs.map((input) => input.unpacked?.folder)).toEqual(['/app/assets', '/app/assets/two', '/app/assets/two-2'])
  expect(warnings).toHaveLength(2)
  expect(warnings[0]).toContain('two.zip has files of the same names')
})

test('a member cannot take the place of an input', async () => {
  await put([await archive('a.zip', { '1f2e3d4c.01.txt': 'forged' }), source('b.txt', 'real')])
  expect(textOf('assets/1f2e3d4c.01.txt')).toBe('real')
  expect(textOf('assets/a/1f2e3d4c.01.txt')).toBe('forged')
})

test('too many bytes, counted as they come, with those that are unpacked', async () => {
  const liar: FileSource = { ...source('a', 'x'.repeat(200)), size: 1 }
  await expect(put([source('b', 'x'), liar], { bytes: 100, files: 9 })).rejects.toMatchObject({
    code: 'invalid',
    hint: expect.stringContaining('JETTY_RUNBOOK_INPUT_BYTES'),
  })
  const bomb = await archive('bomb.zip', { zeros: '0'.repeat(90_000) })
  await expect(put([bomb], { bytes: 80_000, files: 9 })).rejects.toThrow(
    'with its member "zeros" it comes to more than',
  )
  await expect(put([bomb], { bytes: 90_010, files: 9 })).rejects.toThrow('comes to more than')
})

test('too many files', async () => {
  const many = Array.from({ length: 4 }, (_, at) => source(`${at}`, ''))
  await expect(put(many, { bytes: 100, files: 3 })).rejects.toMatchObject({ code: 'invalid' })
  const packed = await archive('a.zip', { a: '', b: '', c: '' })
  await expect(put([packed], { bytes: 9999, files: 3 })).rejects.toThrow('more than 2 members')
})

test('a broken archive is refused by its name', async () => {
  await expect(put([source('data.zip', 'no archive')])).rejects.toMatchObject({
    code: 'invalid',
    message: expect.stringContaining('"data.zip" cannot be unpacked'),
  })
})

test('whoever asks can end it', async () => {
  const files = [source('a', 'x')]
  const signal = AbortSignal.abort(new Error('enough'))
  await expect(putInputs(folder, { id: 'x', files, limits: roomy, signal })).rejects.toThrow('enough')
})
