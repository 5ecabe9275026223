// The JSX runtime of the pages (`jsxImportSource` in tsconfig.json): React's, but no text reaches the page with characters that
// turn its direction. With one of them in a message, "pay 100" may be drawn as "pay 001" to the person who approves it.
// https://trojansource.codes (CVE-2021-42574); the characters are the explicit controls of Unicode's UAX #9.
import { Fragment, jsx as reactJsx, jsxs as reactJsxs } from 'react/jsx-runtime'
import { visibleDirections } from '../text/directions.ts'

export type { JSX } from 'react/jsx-runtime'
export { Fragment }

type Props = Record<string, unknown>
type Create = (type: Parameters<typeof reactJsx>[0], props: Props, key?: string) => ReturnType<typeof reactJsx>

/** Attributes that people read, or hear. */
const readAttributes = ['title', 'aria-label', 'alt', 'placeholder'] as const

const visibleChild = (child: unknown): unknown => (typeof child === 'string' ? visibleDirections(child) : child)

const withVisibleText = (props: Props): Props => {
  const { children } = props
  const changed: Props = {}
  const visible = Array.isArray(children) ? children.map(visibleChild) : visibleChild(children)
  if (
    Array.isArray(children) ? children.some((child, at) => child !== (visible as unknown[])[at]) : visible !== children
  )
    changed.children = visible
  for (const name of readAttributes) {
    const text = props[name]
    if (typeof text === 'string' && visibleDirections(text) !== text) changed[name] = visibleDirections(text)
  }
  return Object.keys(changed).length === 0 ? props : { ...props, ...changed }
}

/** Only elements of the browser draw text; components hand it on to them. */
const drawing =
  (create: Create): Create =>
  (type, props, key) =>
    create(type, typeof type === 'string' || type === Fragment ? withVisibleText(props) : props, key)

export const jsx = drawing(reactJsx as Create)
export const jsxs = drawing(reactJsxs as Create)
