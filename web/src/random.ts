// Random numbers that are the same in every browser: only + − × ÷, whole numbers and square roots, which IEEE 754 and
// ECMAScript fix to the last bit. Math.log and Math.cos are not fixed, so they are not used.

/** The generator sfc32 (Chris Doty-Humphrey, PractRand), with a state that can be saved and put back. */
export class Random {
  private a = 0;
  private b = 0;
  private c = 0;
  private d = 0;

  constructor(seed: number, stream: number) {
    this.a = 0x9e3779b9;
    this.b = seed >>> 0;
    this.c = stream >>> 0;
    this.d = 1;
    for (let i = 0; i < 20; i++) this.next();
  }

  save(): Uint32Array {
    return Uint32Array.of(this.a, this.b, this.c, this.d);
  }

  restore(state: Uint32Array): void {
    [this.a, this.b, this.c, this.d] = state as unknown as [number, number, number, number];
  }

  /** 32 random bits. */
  next(): number {
    const sum = (this.a + this.b + this.d) | 0;
    this.d = (this.d + 1) | 0;
    this.a = this.b ^ (this.b >>> 9);
    this.b = (this.c + (this.c << 3)) | 0;
    this.c = (((this.c << 21) | (this.c >>> 11)) + sum) | 0;
    return sum >>> 0;
  }

  /** Uniform on (0, 1), never an end: an odd multiple of 2⁻⁵³. */
  uniform(): number {
    const high = this.next() >>> 6;
    const low = this.next() >>> 6;
    return (high * 2 ** 26 + low + 0.5) * 2 ** -52;
  }
}

/** The natural logarithm of x > 0, from its power of two and the series of artanh; error below 1e-15. */
export function ln(x: number): number {
  let exponent = 0;
  let part = x;
  while (part < Math.SQRT1_2) {
    part *= 2;
    exponent--;
  }
  while (part > Math.SQRT2) {
    part /= 2;
    exponent++;
  }
  const s = (part - 1) / (part + 1);
  const square = s * s;
  let sum = 0;
  for (let power = 25; power >= 1; power -= 2) sum = sum * square + 1 / power;
  return exponent * Math.LN2 + 2 * s * sum;
}

// Rational approximations of the normal quantile: Wichura 1988, algorithm AS 241, PPND16.
const CENTER = [
  [
    2509.0809287301227, 33430.57558358813, 67265.7709270087, 45921.95393154987, 13731.69376550946, 1971.5909503065513,
    133.14166789178438, 3.3871328727963665,
  ],
  [
    5226.495278852546, 28729.085735721943, 39307.89580009271, 21213.794301586597, 5394.196021424751, 687.1870074920579,
    42.31333070160091, 1,
  ],
] as const;
const SIDE = [
  [
    0.0007745450142783414, 0.022723844989269184, 0.2417807251774506, 1.2704582524523684, 3.6478483247632045,
    5.769497221460691, 4.630337846156546, 1.4234371107496835,
  ],
  [
    1.0507500716444169e-9, 0.0005475938084995345, 0.015198666563616457, 0.14810397642748008, 0.6897673349851,
    1.6763848301838038, 2.053191626637759, 1,
  ],
] as const;
const TAIL = [
  [
    2.0103343992922881e-7, 2.7115555687434876e-5, 0.0012426609473880784, 0.026532189526576124, 0.29656057182850487,
    1.7848265399172913, 5.463784911164114, 6.657904643501103,
  ],
  [
    2.0442631033899397e-15, 1.421511758316446e-7, 1.8463183175100548e-5, 0.0007868691311456133, 0.014875361290850615,
    0.1369298809227358, 0.599832206555888, 1,
  ],
] as const;

function ratio([above, below]: readonly [readonly number[], readonly number[]], x: number): number {
  return above.reduce((sum, next) => sum * x + next, 0) / below.reduce((sum, next) => sum * x + next, 0);
}

/** The x below which a standard normal number lies with probability p. */
export function quantile(p: number): number {
  const q = p - 0.5;
  if (Math.abs(q) <= 0.425) return q * ratio(CENTER, 0.180625 - q * q);
  const r = Math.sqrt(-ln(q < 0 ? p : 1 - p));
  const size = r <= 5 ? ratio(SIDE, r - 1.6) : ratio(TAIL, r - 5);
  return q < 0 ? -size : size;
}

export const FAMILIES = [
  "bipolar",
  "arcsine",
  "uniform",
  "dropout",
  "triangular",
  "gaussian",
  "logistic",
  "laplace",
] as const;
export type Family = (typeof FAMILIES)[number];

/** One draw of mean 0 and variance 1, as in poly.noise. */
export function draw(family: Family, random: Random): number {
  switch (family) {
    case "bipolar":
      return random.next() >= 2 ** 31 ? 1 : -1;
    case "arcsine": {
      // The angle of a point in the disk is uniform, and so is twice the angle.
      for (;;) {
        const [x, y] = [2 * random.uniform() - 1, 2 * random.uniform() - 1];
        const square = x * x + y * y;
        if (square <= 1) return (Math.SQRT2 * (x * x - y * y)) / square;
      }
    }
    case "uniform":
      return (2 * random.uniform() - 1) * Math.sqrt(3);
    case "dropout": {
      const quarter = random.next() >>> 30;
      return quarter === 0 ? -Math.SQRT2 : quarter === 3 ? Math.SQRT2 : 0;
    }
    case "triangular":
      return (random.uniform() + random.uniform() - 1) * Math.sqrt(6);
    case "gaussian":
      return quantile(random.uniform());
    case "logistic": {
      const u = random.uniform();
      return (ln(u / (1 - u)) * Math.sqrt(3)) / Math.PI;
    }
    case "laplace": {
      const side = random.uniform() - 0.5;
      const size = -ln(1 - 2 * Math.abs(side)) * Math.SQRT1_2;
      return side < 0 ? -size : size;
    }
  }
}
