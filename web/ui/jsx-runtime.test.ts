import { createElement, isValidElement, type ReactElement } from 'react'
import { expect, test } from 'vitest'
import { Fragment, jsx, jsxs } from './jsx-runtime.ts'

const propsOf = (element: unknown) => (element as ReactElement<Record<string, unknown>>).props

const Part = ({ text }: { text: string }) => createElement('p', null, text)

test('text is drawn with its controls of direction visible', () => {
  expect(propsOf(jsx('p', { children: 'pay \u202e001\u202c EUR' })).children).toBe('pay [U+202E]001[U+202C] EUR')
  expect(propsOf(jsxs('p', { children: ['a', 1, '\u2066b'] })).children).toEqual(['a', 1, '[U+2066]b'])
  expect(propsOf(jsx(Fragment, { children: '\u2069' })).children).toBe('[U+2069]')
  expect(propsOf(jsx('img', { alt: '\u202afdp.exe' })).alt).toBe('[U+202A]fdp.exe')
})

test('everything else is as React makes it', () => {
  const props = { children: 'שלום, 100', title: 'x', onClick: () => {} }
  const element = jsx('p', props, 'k')
  expect(isValidElement(element)).toBe(true)
  expect(element.key).toBe('k')
  expect(propsOf(element)).toEqual(props)
  expect(propsOf(jsx(Part as never, { text: '\u202e' }))).toEqual({ text: '\u202e' })
})
