import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  makeSampler,
  parseTrace,
  readTrace,
  spanIdOf,
  traceBelow,
  traceHeaders,
  traceIdOf,
  traceVariables,
} from './trace-context.ts'

const traceId = '0af7651916cd43dd8448eb211c80319c'
const parentId = 'b7ad6b7169203331'
const header = (flags = '01', version = '00') => `${version}-${traceId}-${parentId}-${flags}`

describe('traceparent', () => {
  it.each([
    ['as it is', header(), header()],
    ['not sampled', header('00'), header('00')],
    ['with the flag "random"', header('03'), header('03')],
    ['without flags that nobody knows', header('ff'), header('03')],
    ['of a later version, as version 00', header('01', 'cc'), header()],
    ['of a later version with more members', `${header('01', 'cc')}-what-will-be`, header()],
    ['between spaces', ` ${header()} `, header()],
  ])('is read %s', (_, traceparent, expected) => {
    expect(readTrace({ traceparent })).toBe(expected)
  })

  it.each([
    ['absent', undefined],
    ['empty', ''],
    ['of version ff', header('01', 'ff')],
    ['with more members in version 00', `${header()}-more`],
    ['of a later version with more digits', `${header('01', 'cc')}0`],
    ['in upper case', header().toUpperCase()],
    ['of zeros for a trace', `00-${'0'.repeat(32)}-${parentId}-01`],
    ['of zeros for a parent', `00-${traceId}-${'0'.repeat(16)}-01`],
    ['with a short id', `00-${traceId.slice(1)}-${parentId}-01`],
    ['with something that is no digit', `00-${traceId.replace('f', 'g')}-${parentId}-01`],
    ['without flags', `00-${traceId}-${parentId}`],
    ['sent twice', `${header()}, ${header()}`],
    ['a list', [header(), header()]],
    ['followed by another header', `${header()}\r\nx: y`],
  ])('is ignored where it is %s', (_, traceparent) => {
    expect(readTrace({ traceparent, tracestate: 'a=1' })).toBeUndefined()
  })

  it('is never what it was not sent as', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 80 }), (traceparent) => {
        expect(readTrace({ traceparent })).toBeUndefined()
      }),
    )
  })
})

describe('tracestate', () => {
  const stateOf = (tracestate: unknown) =>
    traceHeaders(readTrace({ traceparent: header(), tracestate })).tracestate ?? null

  it.each([
    ['rojo=00f067aa0ba902b7,congo=t61rcWkgMzE', 'rojo=00f067aa0ba902b7,congo=t61rcWkgMzE'],
    [' rojo=1 ,\t, fw529a3039@dt=FfAAAA;a:b ', 'rojo=1,fw529a3039@dt=FfAAAA;a:b'],
    [['a=1', 'b=2'], 'a=1,b=2'],
    ['a=1,a=2', null],
    ['a', null],
    ['A=1', null],
    ['a=', null],
    ['a=b=c', null],
    ['a=é', null],
    ['', null],
    [Array.from({ length: 33 }, (_, at) => `k${at}=1`).join(','), null],
  ])('of %j is sent on as %j', (given, expected) => {
    expect(stateOf(given)).toBe(expected)
  })

  it('loses long members and then the last ones where it is too long', () => {
    const members = (...keys: string[]) => keys.map((key) => `${key}=${key.repeat(120)}`).join(',')
    const sent = `a=1,long=${'x'.repeat(200)},${members('b', 'c', 'd', 'e', 'f')},g=1`
    expect(stateOf(sent)).toBe(`a=1,${members('b', 'c', 'd', 'e')}`)
  })

  it('is kept with the trace, and comes back as headers and variables', () => {
    const trace = readTrace({ traceparent: header(), tracestate: 'a=b c' }) ?? ''
    expect(parseTrace(trace)).toEqual({ traceId, parentId, flags: 1, state: 'a=b c' })
    expect(traceHeaders(trace)).toEqual({ traceparent: header(), tracestate: 'a=b c' })
    expect(traceVariables(trace)).toEqual({ TRACEPARENT: header(), TRACESTATE: 'a=b c' })
    expect(traceVariables(undefined)).toEqual({})
  })
})

describe('what is sent onwards', () => {
  const own = () => ({ traceId: traceIdOf('k'), spanId: spanIdOf('k/0') })
  const always = makeSampler('parentbased_always_on', 1)

  it('is what came, where no spans are exported', () => {
    expect(traceBelow(header('00'), undefined, own)).toBe(header('00'))
    expect(traceBelow(null, undefined, own)).toBeUndefined()
  })

  it('has the own span as the parent, in the trace that came or in an own one', () => {
    const came = readTrace({ traceparent: header(), tracestate: 'a=1' })
    expect(traceBelow(came, always, own)).toBe(`00-${traceId}-${spanIdOf('k/0')}-01 a=1`)
    expect(traceBelow(undefined, always, own)).toBe(`00-${traceIdOf('k')}-${spanIdOf('k/0')}-01`)
  })

  it('says whether the trace is recorded', () => {
    expect(traceBelow(header('02'), always, own)).toBe(`00-${traceId}-${spanIdOf('k/0')}-02`)
    expect(traceBelow(header('02'), makeSampler('always_on', 1), own)).toMatch(/-03$/)
    expect(traceBelow(header(), makeSampler('always_off', 1), own)).toMatch(/-00$/)
  })
})

describe('a sampler', () => {
  it('takes the part of traces that it is told, and the same ones each time', () => {
    const sampler = makeSampler('traceidratio', 0.25)
    const ids = Array.from({ length: 4_000 }, (_, at) => traceIdOf(`run ${at}`))
    const taken = ids.filter((id) => sampler(id, undefined))
    expect(taken.length).toBeGreaterThan(850)
    expect(taken.length).toBeLessThan(1_150)
    expect(ids.filter((id) => sampler(id, undefined))).toEqual(taken)
    expect(ids.some((id) => makeSampler('traceidratio', 0)(id, undefined))).toBe(false)
    expect(ids.every((id) => makeSampler('traceidratio', 1)(id, undefined))).toBe(true)
  })

  it('follows the caller where its name says so', () => {
    expect(makeSampler('parentbased_always_off', 1)(traceId, { flags: 1 })).toBe(true)
    expect(makeSampler('parentbased_always_on', 1)(traceId, { flags: 0 })).toBe(false)
    expect(makeSampler('always_on', 1)(traceId, { flags: 0 })).toBe(true)
  })
})
