//! Affine maps of a few values modulo 2^64, and their powers.

/// The most values that a map is of.
pub const VALUES: usize = 4;

/// The place of the constant in a [`Form`].
pub const ONE: usize = VALUES;

/// A sum of values, each times its coefficient, and of a constant, which comes last.
pub type Form = [i64; VALUES + 1];

/// The form that is this constant.
pub fn constant(value: i64) -> Form {
    let mut form = [0; VALUES + 1];
    form[ONE] = value;
    form
}

/// The form that is this value.
pub fn variable(value: usize) -> Form {
    let mut form = [0; VALUES + 1];
    form[value] = 1;
    form
}

/// The constant that a form is, if it is one.
pub fn as_constant(form: &Form) -> Option<i64> {
    form[..ONE].iter().all(|coefficient| *coefficient == 0).then_some(form[ONE])
}

/// `a + factor * b`.
pub fn add_scaled(a: &Form, factor: i64, b: &Form) -> Form {
    std::array::from_fn(|index| a[index].wrapping_add(factor.wrapping_mul(b[index])))
}

/// For each value what it becomes, as a square matrix whose last row keeps the constant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Map([Form; VALUES + 1]);

impl Map {
    /// Every value stays what it is.
    pub fn identity() -> Map {
        Map(std::array::from_fn(variable))
    }

    /// The map after which a value is this form of what the values were.
    pub fn set(&mut self, value: usize, form: Form) {
        self.0[value] = form;
    }

    /// What a value becomes.
    pub fn row(&self, value: usize) -> &Form {
        &self.0[value]
    }

    /// A form of what this map makes of the values, as a form of what they were.
    pub fn substitute(&self, form: &Form) -> Form {
        form.iter().zip(&self.0).fold([0; VALUES + 1], |sum, (factor, row)| match factor {
            0 => sum,
            _ => add_scaled(&sum, *factor, row),
        })
    }

    /// First the other map, then this one.
    fn after(&self, first: &Map) -> Map {
        Map(self.0.map(|row| first.substitute(&row)))
    }

    /// This map twice.
    pub fn squared(&self) -> Map {
        self.after(self)
    }

    /// This map so many times.
    pub fn power(&self, mut times: u64) -> Map {
        let (mut power, mut square) = (Map::identity(), *self);
        while times != 0 {
            if times & 1 == 1 {
                power = square.after(&power);
            }
            square = square.squared();
            times >>= 1;
        }
        power
    }

    /// What this map adds, and the square of that: `L` and `L^2` where the map is `1 + L`. Only where the cube is zero, so
    /// that the map taken `n` times is `1 + n L + n (n - 1) / 2 L^2`.
    pub fn added(&self) -> Option<[Map; 2]> {
        let mut added = *self;
        added.0.iter_mut().enumerate().for_each(|(value, row)| *row = add_scaled(row, -1, &variable(value)));
        let square = added.squared();
        (square.after(&added) == Map([[0; VALUES + 1]; VALUES + 1])).then_some([added, square])
    }

    /// The values that it changes.
    pub fn changed(&self) -> impl Iterator<Item = usize> {
        (0..VALUES).filter(|value| self.0[*value] != variable(*value))
    }
}

/// The values that a form is made of, a bit each.
pub fn read(form: &Form) -> u8 {
    (0..VALUES).filter(|value| form[*value] != 0).fold(0, |bits, value| bits | 1 << value)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `a b -- b a+b`
    fn fibonacci() -> Map {
        let mut map = Map::identity();
        map.set(0, variable(1));
        map.set(1, add_scaled(&variable(0), 1, &variable(1)));
        map
    }

    #[test]
    fn a_power_is_the_map_so_many_times() {
        let mut map = fibonacci();
        map.set(2, add_scaled(&constant(5), -3, &variable(2)));
        let mut repeated = Map::identity();
        for times in 0..100 {
            assert_eq!(map.power(times), repeated, "{times}");
            repeated = map.after(&repeated);
        }
        assert_eq!(fibonacci().power(90).row(1)[1], 4_660_046_610_375_530_309, "the 91st Fibonacci number");
    }

    #[test]
    fn sums_of_sums_are_polynomials_and_growth_is_none() {
        // s += i, i += 7
        let mut sums = Map::identity();
        sums.set(0, add_scaled(&variable(0), 1, &variable(1)));
        sums.set(1, add_scaled(&variable(1), 7, &constant(1)));
        let [once, twice] = sums.added().expect("it only adds");
        assert_eq!((once.row(0), once.row(1)), (&variable(1), &constant(7)));
        assert_eq!((twice.row(0), twice.row(1)), (&constant(7), &constant(0)));
        assert!(fibonacci().added().is_none());
        // A third sum on top of the two.
        sums.set(2, add_scaled(&variable(2), 1, &variable(0)));
        assert!(sums.added().is_none());
    }
}
