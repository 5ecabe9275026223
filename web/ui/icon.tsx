const paths = {
  search: 'M7 2.5a4.5 4.5 0 1 0 0 9 4.5 4.5 0 0 0 0-9M10.3 10.3l3.2 3.2',
  plus: 'M8 3v10M3 8h10',
  minus: 'M3 8h10',
  cross: 'M4 4l8 8M12 4l-8 8',
  tick: 'M3 8.5l3.2 3.2L13 4.8',
  down: 'M4 6.5l4 4 4-4',
  right: 'M6.5 4l4 4-4 4',
  left: 'M9.5 4l-4 4 4 4',
  up: 'M4 9.5l4-4 4 4',
  dots: 'M3.5 8h.01M8 8h.01M12.5 8h.01',
  copy: 'M5.5 5.5v-3h8v8h-3M2.5 5.5h8v8h-8z',
  outside: 'M6 3.5H3v9.5h9.5V10M9 3h4v4M13 3L7.5 8.5',
  play: 'M5 3.2l7.5 4.8L5 12.8z',
  stop: 'M4 4h8v8H4z',
  again: 'M13 8a5 5 0 1 1-1.5-3.6M13 2v3h-3',
  compare: 'M5.5 3v10M10.5 3v10M2.5 5.5l3-2.5M13.5 10.5l-3 2.5',
  label: 'M2.5 2.5h5.2l5.8 5.8-5.2 5.2-5.8-5.8zM5.4 5.4h.01',
  filter: 'M2.5 4h11M4.5 8h7M6.5 12h3',
  sun: 'M8 5.2a2.8 2.8 0 1 0 0 5.6 2.8 2.8 0 0 0 0-5.6M8 1.5v1.2M8 13.3v1.2M1.5 8h1.2M13.3 8h1.2M3.4 3.4l.9.9M11.7 11.7l.9.9M3.4 12.6l.9-.9M11.7 4.3l.9-.9',
  moon: 'M13 9.4A5.4 5.4 0 0 1 6.6 3 5.4 5.4 0 1 0 13 9.4',
  screen: 'M2 3h12v8H2zM6 13.5h4M8 11v2.5',
  gear: 'M2.5 4.5h6M12 4.5h1.5M10.2 2.8a1.7 1.7 0 1 0 .01 0M2.5 11.5H4M7.5 11.5h6M5.8 9.8a1.7 1.7 0 1 0 .01 0',
  keyboard: 'M1.5 4h13v8h-13zM4 6.5h.01M6.7 6.5h.01M9.3 6.5h.01M12 6.5h.01M5 9.5h6',
  help: 'M6 6a2 2 0 1 1 2.8 1.8c-.6.3-.8.7-.8 1.4M8 11.8h.01M8 1.8a6.2 6.2 0 1 0 .01 0',
  person: 'M8 2.5a2.7 2.7 0 1 0 0 5.4 2.7 2.7 0 0 0 0-5.4M3 13.5c.5-2.4 2.4-3.6 5-3.6s4.5 1.2 5 3.6',
  leave: 'M9.5 3H3.5v10h6M7 8h6.5M11 5.5l2.5 2.5-2.5 2.5',
  menu: 'M2.5 4.5h11M2.5 8h11M2.5 11.5h11',
  clock: 'M8 4.5V8l2.4 1.5M8 2a6 6 0 1 0 .01 0',
  bookmark: 'M4 2.5h8v11l-4-3-4 3z',
  rows: 'M2.5 3.5h11M2.5 6.5h11M2.5 9.5h11M2.5 12.5h11',
  download: 'M8 2.5v7.5M4.8 7L8 10.2 11.2 7M3 13.5h10',
  link: 'M6.8 9.2a2.6 2.6 0 0 0 3.7 0l2-2a2.6 2.6 0 0 0-3.7-3.7l-.8.8M9.2 6.8a2.6 2.6 0 0 0-3.7 0l-2 2a2.6 2.6 0 0 0 3.7 3.7l.8-.8',
  bin: 'M3 4.5h10M6.5 4.5v-2h3v2M4.5 4.5l.5 9h6l.5-9M6.8 7v4M9.2 7v4',
  edit: 'M3 13l.6-2.8 7.5-7.5 2.2 2.2-7.5 7.5z',
  panel: 'M2 3h12v10H2zM9.5 3v10',
  warning: 'M8 2.5l6 11H2zM8 6.5v3.2M8 11.7h.01',
  branch:
    'M4.5 5v6M4.5 2.2a1.4 1.4 0 1 0 .01 0M4.5 11a1.4 1.4 0 1 0 .01 0M11.5 4.2a1.4 1.4 0 1 0 .01 0M11.5 7c0 2.5-3 2.5-5.5 4',
} as const

export type IconName = keyof typeof paths

/** A line drawing of 16 px. Without a label it only decorates the text beside it. */
export const Icon = ({ name, label, className = '' }: { name: IconName; label?: string; className?: string }) => (
  <svg
    viewBox="0 0 16 16"
    className={`${/\bsize-/.test(className) ? '' : 'size-4'} shrink-0 fill-none stroke-current ${className}`}
    strokeWidth={1.5}
    strokeLinecap="round"
    strokeLinejoin="round"
    role="img"
    aria-label={label}
    aria-hidden={label === undefined}
  >
    <path d={paths[name]} />
  </svg>
)
