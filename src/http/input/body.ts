import type { IncomingMessage } from 'node:http'
import type { Readable } from 'node:stream'
import { AppError, invalidField } from '../../lib/errors.ts'
import { isDeeperThan, maxJsonDepth } from '../../lib/json/json-text.ts'
import { parseLarge, smallJson } from '../../lib/json/large-json.ts'
import { noteWork } from '../../lib/loop-watch.ts'
import { makeByteBlocks } from '../../lib/memory/byte-blocks.ts'
import { measureJson } from '../../lib/memory/json-memory.ts'
import { byteSize } from '../../lib/settings/byte-size.ts'
import { doInSlices, nextSlice } from '../../lib/slices.ts'
import type { Room } from './memory.ts'

/** A body that stops arriving for this long is given up: a slow client must not hold a connection for ever. */
export const bodyIdleSeconds = 30

/** A body that is read into memory must be there by then, however steadily it drips. */
const bodySeconds = 120

const utf8 = new TextDecoder('utf-8', { fatal: true })

export const bodyTooLarge = (maxBytes: number): AppError =>
  new AppError('too_large', `Request body too large. Maximum allowed size is ${byteSize(maxBytes)}`)

export const bodyCutOff = (): AppError =>
  new AppError('bad_request', 'The request ended before its body was complete', { hint: 'Send the request again.' })

const bodyTooSlow = (): AppError =>
  new AppError('bad_request', 'The body arrives too slowly', { hint: 'Send the request again.' })

/**
 * Bodies up to this size are not counted. Memory for a longer one is reserved at once if its length is known: bodies
 * that each hold a part would wait for one another. Otherwise the reservation doubles as the body arrives.
 */
const uncountedBody = 64 * 1024
/** A body is held as chunks, and joined or as text. */
const copiesOfBody = 2

/** Reads a whole body into memory, at most `maxBytes`. Pauses reading while there is no memory for it. */
export const readBytes = (body: Readable, maxBytes: number, room?: Room, length = 0): Promise<Buffer> =>
  new Promise((resolve, reject) => {
    const bytes = makeByteBlocks({ ownsChunks: true })
    let isReserved = false
    let held = uncountedBody
    const started = performance.now()
    let timer: NodeJS.Timeout | undefined
    // Most bodies came with their headers, and need no timer.
    process.nextTick(() => {
      const hasCome = (body as Partial<IncomingMessage>).complete === true
      if (!isOver && !hasCome) timer = setTimeout(() => finish(bodyTooSlow()), bodyIdleSeconds * 1000)
    })
    const onData = (chunk: Buffer) => {
      timer?.refresh()
      if (performance.now() - started > bodySeconds * 1000) return finish(bodyTooSlow())
      const size = bytes.size + chunk.length
      if (size > maxBytes) return finish(bodyTooLarge(maxBytes))
      if (isReserved && size > length) return finish(bodyCutOff())
      if (size > held && room) hold(room, size)
      if (!isReserved && length && size > uncountedBody && waits === 0) {
        isReserved = true
        bytes.reserve(length)
      }
      bytes.add(chunk)
    }
    const hold = (takeRoom: Room, size: number) => {
      const more = Math.min(maxBytes, Math.max(size, 2 * held, length || 0)) - held
      held += more
      try {
        const wait = takeRoom(copiesOfBody * more)
        if (!wait) return
        body.pause()
        waits++
        wait.then(
          () => {
            timer?.refresh()
            if (--waits > 0) return
            if (hasEnded) finish()
            else if (!isOver) body.resume()
          },
          (problem) => finish(problem),
        )
      } catch (problem) {
        finish(problem)
      }
    }
    const onEnd = () => {
      hasEnded = true
      if (waits === 0) finish()
    }
    const onCut = () => {
      if (!hasEnded) finish(bodyCutOff())
    }
    let waits = 0
    let hasEnded = false
    let isOver = false
    const finish = (problem?: unknown) => {
      isOver = true
      clearTimeout(timer)
      body.off('data', onData).off('end', onEnd).off('close', onCut)
      if (!problem) return resolve(bytes.take())
      body.pause()
      reject(problem)
    }
    if (body.destroyed && !body.readableEnded) return finish(bodyCutOff())
    body.on('data', onData).on('end', onEnd).on('close', onCut).on('error', onCut)
  })

/** The text of a body. Throws a 422 that says where the encoding is wrong. */
export const decodeText = (bytes: Uint8Array): string => {
  try {
    return utf8.decode(bytes)
  } catch {
    throw invalidField(['body'], 'The body is not valid UTF-8; send it encoded as UTF-8', 'encoding')
  }
}

/** Data may have so many times the values of another body. */
export const dataFactor = 10

/** How a JSON body is read. */
export interface JsonReading {
  contentType: string
  /** Maximum values, as `measureJson` counts them. */
  mostValues: number
  /** Whose turn it takes while a large one is parsed. */
  owner: string
  room?: Room | undefined
}

/** Parses a JSON body, piece by piece if it is large. Throws a 422 that says what is wrong and how to fix it. */
export const parseJson = async (
  text: string,
  { contentType, mostValues, owner, room }: JsonReading,
): Promise<unknown> => {
  if (text.length > uncountedBody) {
    if (text.length > smallJson) await nextSlice(owner) // many that come at once are read one by one
    const { depth, values, memory } = await doInSlices(measureJson(text), owner)
    if (depth > maxJsonDepth) throw tooDeep()
    if (values > mostValues) throw tooManyValues(mostValues)
    if (room) await room(memory)
  } else if (isDeeperThan(text, maxJsonDepth)) throw tooDeep()
  noteWork('parsing a body')
  try {
    return text.length > uncountedBody ? await parseLarge(text, owner) : JSON.parse(text)
  } catch (error) {
    const reason = withoutExcerpt(error instanceof Error ? error.message : 'not JSON')
    const hint = contentType.startsWith('application/json')
      ? 'check quotes, commas and brackets'
      : 'send a JSON document with Content-Type: application/json'
    throw invalidField(['body'], `The body is not valid JSON (${clip(reason)}); ${hint}`, 'json_invalid')
  }
}

const tooDeep = (): AppError =>
  invalidField(['body'], `JSON is nested deeper than ${maxJsonDepth} levels; flatten it`, 'too_deep')

export const tooManyValues = (most: number): AppError =>
  new AppError('too_large', `The body has more than ${most} members, lists and objects`, {
    hint: 'Send large data as a file, or in several requests; or raise JETTY_MAX_BODY_VALUES.',
  })

/** Node repeats a piece of the text that it could not read: it may be a piece of a secret. */
const withoutExcerpt = (reason: string): string =>
  reason
    .replace(/, (\.\.\.)?".*"(\.\.\.)? is not valid JSON$/s, '')
    .replace(/^(\.\.\.)?".*"(\.\.\.)? is not/s, 'it is not')

const clip = (text: string): string => (text.length > 160 ? `${text.slice(0, 157)}…` : text)
