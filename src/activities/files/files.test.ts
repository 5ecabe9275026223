import { describe, expect, it } from 'vitest'
import { makeTestContext, runActivity } from '../../../test/activity-context.ts'
import { readTextFile, readUploadedFile, saveTextFile, selectFiles } from './file-activities.ts'

const path = 'acme/brief/0000/1f2e3d4c.00.txt'
const failure = (promise: Promise<unknown>) =>
  promise.then(
    () => 'no failure',
    (error) => error,
  )

describe('read_uploaded_file', () => {
  const uploaded = (body: string | Uint8Array, content_type = 'text/plain', name = 'notes.txt') =>
    makeTestContext({ initParams: { file_paths: [path] }, files: { [path]: { body, content_type, name } } })

  it.each([
    ['UTF-8', Buffer.from('Grüße'), 'text/plain', 'Grüße'],
    ['UTF-16', Buffer.from('\ufeffGrüße', 'utf16le'), 'text/plain', 'Grüße'],
    ['Latin-1 by declaration', Buffer.from('Grüße', 'latin1'), 'text/plain; charset=iso-8859-1', 'Grüße'],
    ['an empty file', Buffer.from(''), 'text/plain', ''],
    ['JSON', Buffer.from('{"a":1}'), 'application/json', '{"a":1}'],
  ])('reads %s', async (_case, body, content_type, text) => {
    expect(await runActivity(readUploadedFile, {}, uploaded(body, content_type))).toEqual({
      content: text,
      text,
      path,
      content_type,
      filename: 'notes.txt',
    })
  })

  it('warns where it had to guess', async () => {
    const context = uploaded(Buffer.from('Grüße', 'latin1'))
    expect(await runActivity(readUploadedFile, {}, context)).toMatchObject({ text: 'Grüße' })
    expect(context.warnings).toEqual([`'notes.txt' is not UTF-8 and has no charset: read as windows-1252`])
  })

  it('refuses another format by name', async () => {
    const error = await failure(runActivity(readUploadedFile, {}, uploaded('%PDF-1.4 …', 'application/pdf', 'cv.pdf')))
    expect(error).toMatchObject({ code: 'parameter_invalid' })
    expect(error.message).toMatch(/'cv.pdf' is a PDF document.*plain text/)
  })

  it.each([
    [{}, 0, 'the run has no files'],
    [{ file_paths: [path] }, 1, 'the run has one file'],
    [{ file_paths: [path, path] }, 2, 'the run has 2 files'],
    [{ file_paths: [7] }, 0, 'number 0'],
    [{ file_paths: 'x' }, 0, 'the run has no files'],
  ])('of %j, number %d: %s', async (initParams, file_index, words) => {
    const error = await failure(runActivity(readUploadedFile, { file_index }, makeTestContext({ initParams })))
    expect(error).toMatchObject({ code: 'reference_missing' })
    expect(error.message).toContain(words)
  })

  it('refuses what is too large before it reads it', async () => {
    const context = uploaded('x')
    const huge = {
      path,
      name: 'huge.txt',
      content_type: 'text/plain',
      size: 2 ** 30,
      bytes: () => Promise.reject(new Error('read')),
    }
    context.files.open = async () => huge
    expect(await failure(runActivity(readUploadedFile, {}, context))).toMatchObject({ code: 'output_too_large' })
  })
})

describe('read_text_file', () => {
  it('reads a stored file', async () => {
    const context = makeTestContext({ files: { [path]: { body: 'hello', content_type: 'text/plain' } } })
    expect(await runActivity(readTextFile, { file_path: path }, context)).toEqual({
      content: 'hello',
      text: 'hello',
      path,
    })
  })
  it('does not find what is not there', async () => {
    expect(await failure(runActivity(readTextFile, { file_path: path }))).toMatchObject({ code: 'not_found' })
  })
})

describe('save_text_file', () => {
  it.each([
    [{ text: 'hi' }, 'output.txt', 'text/plain', 'hi'],
    [{ content: 'hi', filename: 'a.md' }, 'a.md', 'text/markdown', 'hi'],
    [{ text: 'wins', content: 'loses', filename: 'a.csv' }, 'a.csv', 'text/csv', 'wins'],
    [{ text: '', filename: 'empty.txt' }, 'empty.txt', 'text/plain', ''],
    [{ text: { a: 1 }, filename: 'a.json' }, 'a.json', 'application/json', '{\n  "a": 1\n}\n'],
    [{ text: 'x', filename: '../../etc/pass\0wd' }, 'passwd', 'text/plain', 'x'],
    [{ text: 'x', filename: '..' }, 'output.txt', 'text/plain', 'x'],
    [{ text: 'x', filename: 'data.unknown' }, 'data.unknown', 'text/plain', 'x'],
    [{ text: 'Grüße', filename: 'a.b.html' }, 'a.b.html', 'text/html', 'Grüße'],
  ])('%j', async (parameters, name, content_type, body) => {
    const context = makeTestContext()
    const outputs = await runActivity(saveTextFile, parameters, context)
    const path = `acme/brief/0000/1f2e3d4c.step.0000.${name}`
    const extension = name.includes('.') ? name.split('.').pop() : ''
    const size = Buffer.byteLength(body)
    expect(outputs).toEqual({ path, extension, content_type, files: [{ path, name, extension, content_type, size }] })
    expect(context.stored.get(path)?.bytes.toString()).toBe(body)
    expect(context.warnings).toEqual([])
  })

  it('warns where the name promises another format', async () => {
    const context = makeTestContext()
    const outputs = await runActivity(saveTextFile, { text: 'x', filename: 'report.pdf' }, context)
    expect(outputs).toMatchObject({ extension: 'pdf', content_type: 'text/plain' })
    expect(context.warnings[0]).toContain('report.pdf')
  })

  it('wants a text', async () => {
    expect(await failure(runActivity(saveTextFile, { filename: 'x.txt' }))).toMatchObject({ code: 'parameter_invalid' })
  })
})

describe('select_files', () => {
  const files = [
    { path: 'acme/brief/0000/a.md', name: 'a.md', extension: 'md', content_type: 'text/markdown', size: 3 },
    { path: 'acme/brief/0000/b.png', name: 'b.png', extension: 'png', content_type: 'image/png', size: 30 },
    { path: 'acme/other/c.md' },
  ]
  it.each([
    [{ patterns: ['*.md'] }, [0, 2]],
    [{ patterns: '*.png' }, [1]],
    [{ patterns: ['*.png', 'a.*'] }, [0, 1]],
    [{ patterns: ['acme/brief/**'], match_field: 'path' }, [0, 1]],
    [{ patterns: ['acme/*/c.md'], match_field: 'path' }, [2]],
    [{ patterns: ['acme/*.md'], match_field: 'path' }, []],
    [{ patterns: ['image/*'], match_field: 'content_type' }, [1]],
    [{ patterns: ['text/*'], match_field: 'content_type' }, [0, 2]],
    [{ patterns: ['m?'], match_field: 'extension' }, [0, 2]],
    [{ patterns: ['3*'], match_field: 'size' }, [0, 1]],
    [{ patterns: ['*.MD'] }, []],
  ])('%j', async (parameters, expected) => {
    const context = makeTestContext()
    const outputs = await runActivity(selectFiles, { files, ...parameters }, context)
    expect(outputs).toEqual({ files: expected.map((index) => files[index]), count: expected.length })
    expect(context.warnings).toEqual([])
  })

  it('makes objects of storage paths', async () => {
    const outputs = await runActivity(selectFiles, {
      files: ['acme/x/0000/1f.00.pdf', 'acme/x/y.txt'],
      patterns: ['*.pdf'],
    })
    const found = {
      path: 'acme/x/0000/1f.00.pdf',
      name: '1f.00.pdf',
      extension: 'pdf',
      content_type: 'application/pdf',
    }
    expect(outputs).toEqual({ files: [found], count: 1 })
  })

  it('warns where no file has the field', async () => {
    const context = makeTestContext()
    await runActivity(selectFiles, { files, patterns: ['*'], match_field: 'constructor' }, context)
    expect(context.warnings[0]).toContain(`field 'constructor'`)
  })

  it.each([{ files }, { files, patterns: [] }, { files, patterns: [''] }, { files: [7], patterns: ['*'] }])(
    'refuses %j',
    async (parameters) => {
      expect(await failure(runActivity(selectFiles, parameters))).toMatchObject({ code: 'parameter_invalid' })
    },
  )
})
